"""The live path against the clock, over hours, and under faults."""
