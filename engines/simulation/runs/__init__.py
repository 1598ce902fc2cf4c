"""Invented runs: where the C-arm stands, how contrast passes, how the patient moves."""
