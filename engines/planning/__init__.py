"""What is planned on a CT before a procedure: marks, the annulus, and the C-arm angles that show them."""
