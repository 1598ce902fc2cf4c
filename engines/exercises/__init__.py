"""What a trainee replays at a desk, and how far off he was: poses set by hand, overlays judged."""
