"""Commands that lay other pictures into a CT."""
