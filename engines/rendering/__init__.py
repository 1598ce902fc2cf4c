"""One interface for renderers of digitally reconstructed radiographs (DRR), and the centerline splat."""
