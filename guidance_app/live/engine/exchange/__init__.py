"""What engine processes and their supervisor say and hand to each other."""
