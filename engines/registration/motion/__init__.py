"""Motion of a tree beyond its rigid pose."""
