"""The protocol of correlation-driven registration."""
