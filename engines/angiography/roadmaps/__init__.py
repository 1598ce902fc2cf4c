"""What an injection leaves behind for the pictures after it: mask, peak opacification, roadmap."""
