"""Invented runs: position of the C-arm, flow of contrast, motion of the patient."""
