"""Accuracy on trees that deform beyond a rigid pose."""
