"""2D/3D registration: find, refine, track and judge the pose of a vessel model in X-ray pictures."""
