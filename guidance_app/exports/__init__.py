"""What leaves the program for other programs: films, pictures, DICOM objects and tables."""
