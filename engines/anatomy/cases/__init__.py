"""Make, read, summarise and draw a case on disk."""
