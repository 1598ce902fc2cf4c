"""The distortion of image intensifiers, measured on a grid and undone."""
