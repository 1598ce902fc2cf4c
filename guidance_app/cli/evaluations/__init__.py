"""The commands of `evaluate`."""
