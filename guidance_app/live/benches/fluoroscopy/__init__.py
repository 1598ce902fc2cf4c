"""Fluoroscopy without contrast on simulated patients: does a valid overlay stay true while patient and table move."""
