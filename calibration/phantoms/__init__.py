"""Calibrate a C-arm's view with a bead phantom: known points in space, found again in a picture."""
