"""Judging and correcting a registration: what fits, what does not, and a person's own hand."""
