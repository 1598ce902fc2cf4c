"""Invented patients: chest, head and pelvis with their vessels."""
