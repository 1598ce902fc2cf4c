"""What is found among the files of a hospital."""
