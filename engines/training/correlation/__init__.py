"""Recipes of the learned similarities."""
