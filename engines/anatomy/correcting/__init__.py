"""A vessel model corrected by hand: edits as values, applied one after another, each of which can be taken back."""
