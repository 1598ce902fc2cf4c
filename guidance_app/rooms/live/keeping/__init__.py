"""What a person keeps of a run while it is seen: a recording, a photo, a film."""
