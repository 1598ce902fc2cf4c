"""Accuracy of masks: against people's, against exact truth, beside tuned filters."""
