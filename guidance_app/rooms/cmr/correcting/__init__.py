"""Correcting a fusion by hand in the room."""
