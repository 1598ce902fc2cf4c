"""A result on the desk: as it was opened, what a person did to it, and its numbers along the vessel."""
