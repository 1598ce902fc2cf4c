"""The IVUS room: a pullback laid into the coronary CT."""
