"""X-ray pictures as files and values: frames, XA DICOM in and out."""
