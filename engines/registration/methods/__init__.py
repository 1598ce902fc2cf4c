"""The published registration methods, each under its own name and beside ours: same views, same starts, same clock."""
