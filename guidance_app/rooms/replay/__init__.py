"""The replay room: two answers of guidance to one run, side by side."""
