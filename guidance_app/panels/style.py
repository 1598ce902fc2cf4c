"""How the frame around the rooms looks, and where the keyboard's focus is."""

from __future__ import annotations

from guidance_app.views import palette

# The ring is wide and bright: it must be found at a glance, and it does not change the size of anything.
HOUSE_STYLE_SHEET = (
    palette.STYLE_SHEET
    + f"""
QFrame#rail {{ background: {palette.PANEL}; border-right: 1px solid {palette.LINE}; }}
QFrame#rail QToolButton {{ background: transparent; border: 2px solid transparent; border-radius: 8px;
    color: {palette.QUIET_TEXT}; font-size: {palette.SMALL_TEXT_PX}px; padding-top: 6px; }}
QFrame#rail QToolButton:hover {{ background: #22262b; }}
QFrame#rail QToolButton:checked {{ background: #26303a; color: {palette.BRIGHT_TEXT}; }}
QFrame#rail QToolButton:focus {{ border: 2px solid {palette.BRIGHT_TEXT}; }}
QPushButton:focus, QFrame#panel QPushButton:focus {{ border: 2px solid {palette.BRIGHT_TEXT}; padding: 5px 7px; }}
QListWidget:focus, QFrame#panel QListWidget:focus, QLineEdit:focus {{ border: 2px solid {palette.BRIGHT_TEXT}; }}
QSlider:focus {{ border: 2px solid {palette.BRIGHT_TEXT}; border-radius: 4px; }}
QLineEdit {{ background: #0f1113; border: 2px solid {palette.LINE}; border-radius: 6px; padding: 8px 10px;
    color: {palette.BRIGHT_TEXT}; }}
QCheckBox {{ background: transparent; border: 2px solid transparent; border-radius: 4px; padding: 2px; spacing: 10px; }}
QCheckBox:focus {{ border: 2px solid {palette.BRIGHT_TEXT}; }}
QCheckBox::indicator {{ width: 16px; height: 16px; border: 2px solid {palette.QUIET_TEXT}; border-radius: 4px;
    background: #0f1113; }}
QCheckBox::indicator:checked {{ border: 2px solid {palette.VALID}; background: {palette.VALID}; }}
QCheckBox::indicator:disabled {{ border: 2px solid {palette.LINE}; }}
QFrame#tray, QFrame#toast {{ background: {palette.PANEL}; border: 1px solid #4a525a; border-radius: 8px; }}
QFrame#tray QLabel, QFrame#tray QWidget, QFrame#toast QLabel {{ background: transparent; }}
QFrame#tray QLineEdit {{ background: #0f1113; font-size: 17px; }}
QFrame#tray QListWidget {{ background: transparent; border: 0; outline: 0; }}
QFrame#tray QListWidget::item:disabled {{ color: {palette.DISABLED_TEXT}; }}
QFrame#tray QProgressBar {{ background: {palette.LINE}; border: 0; border-radius: 4px; }}
QFrame#tray QProgressBar::chunk {{ background: {palette.VALID}; border-radius: 4px; }}
QFrame#tray QPushButton, QFrame#toast QPushButton {{ background: #22262b; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar::handle:vertical {{ background: #4a525a; border-radius: 5px; min-height: 24px; }}
QScrollBar::add-line:vertical, QScrollBar::sub-line:vertical {{ height: 0; }}
QScrollBar::add-page:vertical, QScrollBar::sub-page:vertical {{ background: transparent; }}
QToolTip {{ background: {palette.PANEL}; color: {palette.TEXT}; border: 1px solid {palette.LINE}; }}
"""
)
