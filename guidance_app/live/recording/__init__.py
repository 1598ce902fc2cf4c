"""A run written down as it happens, and compared with its replay."""
