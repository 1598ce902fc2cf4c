"""What was found in a case, checked and corrected: slabs, 3-D, structures, tools."""
