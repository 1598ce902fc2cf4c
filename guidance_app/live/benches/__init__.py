"""Benchmarks of the live path: its speed, its steadiness over hours, its behaviour under faults."""
