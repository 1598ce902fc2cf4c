"""Planning on slices: marks, the annulus, and the C-arm angles that show what matters."""
