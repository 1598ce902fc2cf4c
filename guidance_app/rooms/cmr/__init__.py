"""The CMR room: perfusion laid onto the coronary CT."""
