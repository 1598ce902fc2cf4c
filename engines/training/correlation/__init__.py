"""Training of the learned similarities."""
