"""Recipes of the segmentation networks, and what ships of them."""
