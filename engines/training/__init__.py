"""Training of the networks: one recipe per network."""
