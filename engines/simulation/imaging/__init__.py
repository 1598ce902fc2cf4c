"""Compute grey values from anatomy: shadows, collimator, detector."""
