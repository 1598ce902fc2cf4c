"""Our own recordings as a source."""
