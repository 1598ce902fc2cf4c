"""Training of the pose and matching networks."""
