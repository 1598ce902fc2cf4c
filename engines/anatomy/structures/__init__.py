"""The structures of a label volume: their names from wherever people have them, classes, lengths and volumes."""
