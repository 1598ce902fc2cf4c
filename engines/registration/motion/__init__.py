"""Non-rigid motion of a vessel tree beyond its rigid pose."""
