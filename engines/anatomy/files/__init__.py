"""Models and volumes from and to files: DICOM, NIfTI, VTK, meshes, centerlines, labels."""
