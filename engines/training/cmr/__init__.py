"""What the fusion of CT and CMR learns, from simulated patients of the split train alone."""
