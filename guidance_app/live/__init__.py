"""From a frame to a guidance result, without a window."""
