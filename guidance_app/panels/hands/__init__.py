"""Pedals, presenters and gamepads: what their buttons do, and the hold that a consequential action wants."""
