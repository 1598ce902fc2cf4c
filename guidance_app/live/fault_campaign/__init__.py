"""Fault campaign: every fault that a room can produce, done to a running session again and again, and judged."""
