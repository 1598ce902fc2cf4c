"""Training of the segmentation networks, and export of the files that are shipped."""
