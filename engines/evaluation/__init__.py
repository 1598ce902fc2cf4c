"""Metrics, evaluation protocols and benchmarks."""
