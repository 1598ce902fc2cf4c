"""Alignment by centerlines and outlines: search, Levenberg-Marquardt, tracking, and the judge of a fit."""
