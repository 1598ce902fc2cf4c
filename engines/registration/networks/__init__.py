"""Starts and matches that networks propose, and their weights."""
