"""Bead phantoms: what is known in space, found in a picture, and what a C-arm's view follows from it."""
