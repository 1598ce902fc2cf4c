"""DICOM storage as a live source."""
