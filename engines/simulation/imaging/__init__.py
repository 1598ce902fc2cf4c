"""From anatomy to grey values: shadows, collimator, detector."""
