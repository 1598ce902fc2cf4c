"""Centerline trees with radii: thinned from volumes, joined from lines, completed from surfaces."""
