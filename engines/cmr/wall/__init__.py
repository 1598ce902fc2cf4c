"""The LV wall in perfusion pictures, and its motion over time."""
