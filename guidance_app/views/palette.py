"""Colours, type sizes and fixed words of the window: dark and calm, for a room with the lights down."""

from __future__ import annotations

RESEARCH_LINE = "Research use only - not a medical device"

FONT_FAMILY = "DejaVu Sans"
CORNER_TEXT_PX = 14
PANEL_TEXT_PX = 14
SMALL_TEXT_PX = 12
BADGE_TEXT_PX = 17

# Greys are neutral: a tinted surround shifts how grey levels of the picture are seen.
ROOM = "#0b0c0e"
PANEL = "#141619"
LINE = "#2a2e33"
TEXT = "#d6d9dc"
QUIET_TEXT = "#9aa0a6"
DISABLED_TEXT = "#7d858c"  # what cannot be pressed now is still read
BRIGHT_TEXT = "#f2f4f5"

VALID = "#3fd0ff"  # cyan: no tissue, bone or contrast looks like it, and it stays apart from amber for the colour-blind
UNVERIFIED = "#ffb020"
HELD = "#7ce8b5"  # by bones: near cyan, since it counts too; line, shape and words tell them apart
CARRIED = "#e3b3ff"
NOT_CURRENT = "#b9c0c7"
ROADMAP = "#ff7ad9"  # pink, hatched: pictures of contrast, where every line of the model has one of the colours above
ALARM = "#ff7a66"
ON_ALARM = "#160503"  # words on an alarm's own colour
PLATE = (10, 12, 14, 225)  # behind words: at least 7:1 even on a white picture
CASING = "#05080a"  # dark rim that keeps a line visible on a bright picture

STYLE_SHEET = f"""
QWidget {{ background: {ROOM}; color: {TEXT}; font-family: "{FONT_FAMILY}"; font-size: {PANEL_TEXT_PX}px; }}
QFrame#panel {{ background: {PANEL}; border-left: 1px solid {LINE}; }}
QFrame#panel QLabel, QFrame#panel QWidget {{ background: transparent; }}
QLabel#heading {{ color: {QUIET_TEXT}; font-size: {SMALL_TEXT_PX}px; font-weight: bold; }}
QLabel#quiet {{ color: {QUIET_TEXT}; font-size: {SMALL_TEXT_PX}px; }}
QFrame#panel QPushButton, QPushButton {{ background: #22262b; border: 1px solid #3a4047; border-radius: 6px;
    padding: 6px 8px; }}
QFrame#panel QPushButton:hover, QPushButton:hover {{ background: #2c3238; }}
QFrame#panel QPushButton:pressed, QPushButton:pressed {{ background: #39414a; }}
QFrame#panel QPushButton:checked {{ background: #2e3944; border: 1px solid {VALID}; color: {BRIGHT_TEXT}; }}
QFrame#panel QPushButton:disabled, QPushButton:disabled {{ background: #181b1e; color: {DISABLED_TEXT};
    border: 1px solid #262a2e; }}
QFrame#panel QListWidget {{ background: #0f1113; border: 1px solid {LINE}; border-radius: 4px; outline: 0; }}
QListWidget::item {{ padding: 5px 6px; }}
QListWidget::item:selected {{ background: #26303a; color: {BRIGHT_TEXT}; }}
QSlider::groove:horizontal {{ height: 4px; background: {LINE}; border-radius: 2px; }}
QSlider::handle:horizontal {{ width: 16px; margin: -6px 0; border-radius: 8px; background: {TEXT}; }}
"""
