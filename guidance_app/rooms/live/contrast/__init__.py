"""What injected contrast is good for on the screen: masks and their shift, peak opacification, roadmap."""
