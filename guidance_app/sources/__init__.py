"""One seam for everything that delivers frames."""
