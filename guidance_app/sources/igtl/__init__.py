"""OpenIGTLink as a live source."""
