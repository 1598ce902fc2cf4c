"""Segmentations that name their structures: NRRD, DICOM SEG, and masks that overlap."""
