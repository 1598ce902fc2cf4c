"""The live room: the picture, what guidance says of it, and what a person may do."""
