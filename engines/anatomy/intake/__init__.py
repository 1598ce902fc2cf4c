"""What lies in the folders that a hospital gives: scans, models and runs, and what speaks against each."""
