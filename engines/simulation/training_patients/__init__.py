"""Invented patients that are drawn in milliseconds, for training pose and similarity networks."""
