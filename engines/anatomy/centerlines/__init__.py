"""Centerline trees with radii, made by thinning volumes, joining lines, and measuring radii on surfaces."""
