"""A frame's way through guidance: in at the door, then see, judge, place, draw."""
