"""Whether a stated confidence keeps its word: samples, fit, reliability."""
