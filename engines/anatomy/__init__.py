"""CT volumes, vessel models (surface, centerline tree with radii, labels), cases on disk."""
