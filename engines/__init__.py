"""What computes: anatomy, angiography, segmentation, rendering, registration, simulation. No Qt below this line."""
