"""Measure the distortion of image intensifiers with a grid, and correct it."""
