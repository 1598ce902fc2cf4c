"""What a reader changed by hand in a fusion, and the fusion that follows from it."""
