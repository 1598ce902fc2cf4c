"""CT series: slices from files and frames, their phases, and the stack that they make."""
