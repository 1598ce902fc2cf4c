"""From a frame to class probabilities."""
