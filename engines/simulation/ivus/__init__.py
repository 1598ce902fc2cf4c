"""A coronary artery seen twice, by CT and by an intravascular ultrasound pullback, with exact truth."""
