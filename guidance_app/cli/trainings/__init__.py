"""The commands of `train`."""
