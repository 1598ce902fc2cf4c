"""What is matched: the features of a picture and of the model as a view sees it."""
