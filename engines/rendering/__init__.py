"""One seam for digitally reconstructed radiographs, and the centerline splat."""
