"""The engine process watched from the screen's side, and replaced when it fails."""
