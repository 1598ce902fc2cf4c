"""How long the window takes: to open, to show a picture, to change runs, and from a key to its painted pixels."""
