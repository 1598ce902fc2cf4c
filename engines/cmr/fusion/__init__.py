"""CMR slices placed in the CT: rigid, elastic, and what travels along."""
