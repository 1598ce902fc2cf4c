"""Pictures of the window in every state, for people to look at, with a measure of what is wrong in each."""
