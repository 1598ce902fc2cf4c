"""Endless synthetic angiograms with exact masks, for training and for checks of networks."""
