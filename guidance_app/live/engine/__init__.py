"""What runs in the engine process: a frame's way to a guidance result."""
