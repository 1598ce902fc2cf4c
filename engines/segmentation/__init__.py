"""Segment a frame into class probabilities."""
