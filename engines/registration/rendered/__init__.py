"""Alignment by rendered pictures (DRR): targets, similarities, gradient steps."""
