"""The live path, from a frame to a guidance result, without a window."""
