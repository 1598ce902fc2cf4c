"""The training room: a trainee replays a case at a desk and is told how far off he was."""
