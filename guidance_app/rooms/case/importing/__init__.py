"""New cases: what was found in a person's files, the making of the case, and the check of what came out."""
