"""What both modalities show about the artery, over length and angle: lumen, branch openings, calcium."""
