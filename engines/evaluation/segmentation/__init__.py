"""Accuracy of masks: against a person's masks, against exact truth, and compared with tuned filters."""
