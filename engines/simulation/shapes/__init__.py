"""Curves and voxels that invented patients are made of."""
