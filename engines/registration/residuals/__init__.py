"""How far each branch lies from its vessel in the picture, for a person who judges a pose."""
