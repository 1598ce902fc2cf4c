"""One interface for every inference runtime."""
