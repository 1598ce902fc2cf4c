"""Measuring and marking in the live picture: lengths, widths, points on the model, and views to come back to."""
