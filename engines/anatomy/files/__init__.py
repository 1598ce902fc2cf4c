"""Read and write models and volumes: DICOM, NIfTI, VTK, meshes, centerlines, labels."""
