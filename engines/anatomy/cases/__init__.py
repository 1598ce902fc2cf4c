"""A case on disk: made, read, summed up and pictured."""
