"""Starts and matches that networks propose, and the networks' weights."""
