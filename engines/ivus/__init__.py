"""An intravascular ultrasound pullback laid into a coronary CT: files, features of both, search, trust."""
