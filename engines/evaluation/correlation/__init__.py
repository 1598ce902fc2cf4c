"""The evaluation protocol of correlation-driven registration."""
