"""Curves, upslopes and maps of first-pass perfusion."""
