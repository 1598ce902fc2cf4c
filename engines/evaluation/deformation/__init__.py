"""Accuracy on trees that move beyond a rigid pose."""
