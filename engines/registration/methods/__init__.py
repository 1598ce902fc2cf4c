"""Published registration methods under their names, beside ours, to be compared on equal views, starts and times."""
