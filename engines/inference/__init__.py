"""One seam for every inference runtime."""
