"""The geometry of the imaging chain: poses, C-arm, projection, DICOM geometry.

Two conventions hold everywhere in this project and are stated only here:

* The world is DICOM LPS in millimetres: +x to the patient's left, +y posterior, +z to the head.
* An image point is (column, row) in pixels. Integer coordinates are the CENTRE of a pixel and (0, 0) is the
  top left one, as stored.

The camera is right-handed with its origin in the X-ray source and z along the central ray to the detector. At
primary = secondary = 0 the source is posterior (postero-anterior beam), camera x is the patient's left and camera y
the head. A picture shows the head on top, so the row axis runs against camera y. This mirror, like any other, is part
of the intrinsics and never of the rotation.
"""
