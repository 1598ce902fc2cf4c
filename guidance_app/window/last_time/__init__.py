"""What a window leaves behind when it does not end in order, and how the next one takes it up."""
