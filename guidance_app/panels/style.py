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
QSlider:focus::handle:horizontal {{ border: 2px solid {palette.VALID}; }}
QLineEdit {{ background: #0f1113; border: 2px solid {palette.LINE}; border-radius: 6px; padding: 8px 10px;
    color: {palette.BRIGHT_TEXT}; }}
QToolTip {{ background: {palette.PANEL}; color: {palette.TEXT}; border: 1px solid {palette.LINE}; }}
"""
)
