"""Pullbacks, contours and centerlines as files, and what a registration leaves."""
