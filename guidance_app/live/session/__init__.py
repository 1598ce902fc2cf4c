"""One run from its source to what the window draws."""
