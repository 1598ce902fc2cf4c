"""Alignment by centerlines and outlines: coarse search, Levenberg-Marquardt, and the measures of a fit."""
