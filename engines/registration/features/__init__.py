"""The features that are matched: those of a picture, and those of the model as a view shows it."""
