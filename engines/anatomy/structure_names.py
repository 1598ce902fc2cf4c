"""The vessel class that a structure's name tells."""

from __future__ import annotations

# Words in the names that segmentations give to parts of the aorta.
_AORTIC = ("aort", "annulus", "sinotubular", "valsalva")


def vessel_class_of(name: str) -> str:
    """ "artery", "vein" or "aorta" from a structure's name, English or TotalSegmentator's."""
    words = name.lower().replace("-", "_").replace(" ", "_")
    if any(part in words for part in _AORTIC) and "branch" not in words:
        return "aorta"
    if any(part in words for part in ("vein", "vena", "venous", "sinus_sag", "sigmoid", "jugular", "transverse_sinus")):
        return "vein"
    return "artery"
