"""Recipes of the pose and matching networks."""
