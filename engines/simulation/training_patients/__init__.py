"""Patients drawn in milliseconds, for training pose and similarity networks."""
