"""What a person meets: window, panels, commands, live sources, recording."""
