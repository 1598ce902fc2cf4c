"""Alignment by rendered pictures (DRR): the target pictures, similarities, and gradient steps."""
