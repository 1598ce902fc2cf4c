"""Curves and voxels from which invented patients are made."""
