"""Long work beside the window: a process of its own with stage, progress, time left and cancel."""
