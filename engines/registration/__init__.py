"""2D/3D registration: initialise, refine, track, judge."""
