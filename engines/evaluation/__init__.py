"""Metrics, protocols and benchmarks."""
