"""The settings room: what the hands do, how the mouse and the targets are, where things lie."""
