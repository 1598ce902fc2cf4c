"""The window: its frame, panels, keys, and what it leaves behind."""
