"""Bead phantoms: known points in space whose picture determines the projection.

A phantom is placed at the isocentre with its axes along the patient's: +x to the patient's left, +y down to the table,
+z to the head (LPS of a supine patient). A few larger beads form a code that identifies all beads.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from calibration.errors import InputError

_MAX_FILE_BYTES = 1024 * 1024
MIN_BEADS, MIN_CODE_BEADS = 10, 5
_MIN_DEPTH_SHARE = 0.08  # thickness over extent; a flatter layout does not determine the distance

# The default: 36 beads on two turns of a cylinder. Steps of 3.4 mm along the axis separate beads at its rim.
_COUNT, _TURNS, _RADIUS_MM, _HEIGHT_MM = 36, 2.0, 45.0, 120.0
_SMALL_MM, _LARGE_MM = 2.0, 3.2
# The gaps 3, 2, 7, 2, 6, 8, 5 differ when read from the other end, so the code has a direction.
_CODE = (1, 4, 6, 13, 15, 21, 29, 34)


class Bead(BaseModel):
    """A radio-opaque ball; `code` marks the larger ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    id: str = Field(min_length=1, max_length=32)
    position_mm: tuple[float, float, float]
    diameter_mm: float = Field(gt=0.2, le=20)
    code: bool = False


class Phantom(BaseModel):
    """The content of PHANTOM.json."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_: Literal["guidance-app/phantom/1"] = Field(default="guidance-app/phantom/1", alias="schema")
    name: str = Field(min_length=1, max_length=64)
    note: str = ""
    beads: tuple[Bead, ...] = Field(min_length=MIN_BEADS, max_length=1000)

    @field_validator("beads")
    @classmethod
    def _identifiable(cls, beads: tuple[Bead, ...]) -> tuple[Bead, ...]:
        if len({bead.id for bead in beads}) != len(beads):
            raise ValueError("two beads have the same id")
        code = [bead for bead in beads if bead.code]
        if len(code) < MIN_CODE_BEADS:
            raise ValueError(f"{len(code)} code beads, at least {MIN_CODE_BEADS} are needed to tell the beads apart")
        plain = [bead.diameter_mm for bead in beads if not bead.code]
        if plain and min(bead.diameter_mm for bead in code) < 1.3 * max(plain):
            raise ValueError("code beads must be at least 1.3 times as large as the others")
        for what, group in (("beads", list(beads)), ("code beads", code)):
            if is_coplanar(np.array([bead.position_mm for bead in group])):
                raise ValueError(f"the {what} lie in one plane; a phantom must have depth")
        return beads

    def positions_mm(self) -> Float[np.ndarray, "n 3"]:
        return np.array([bead.position_mm for bead in self.beads])

    def code(self) -> Bool[np.ndarray, " n"]:
        return np.array([bead.code for bead in self.beads])


def is_coplanar(points_mm: Float[np.ndarray, "n 3"]) -> bool:
    """Whether the points have too little depth (or are too few) to determine a projection."""
    if len(points_mm) < 4:
        return True
    extents = np.linalg.svd(points_mm - points_mm.mean(axis=0), compute_uv=False)
    return bool(extents[2] < _MIN_DEPTH_SHARE * extents[0])


def default_phantom() -> Phantom:
    """The built-in layout: bead k lies at 20 k degrees and 3.43 k - 60 mm along +z, on a radius of 45 mm.

    It has 36 steel beads of 2 mm, except numbers 1, 4, 6, 13, 15, 21, 29 and 34 (from 0), which have 3.2 mm. The
    helix is right-handed about +z and begins at +x.
    """
    beads = []
    for k in range(_COUNT):
        angle = 2 * math.pi * _TURNS * k / _COUNT
        along = _HEIGHT_MM * (k / (_COUNT - 1) - 0.5)
        position = (_RADIUS_MM * math.cos(angle), _RADIUS_MM * math.sin(angle), along)
        large = k in _CODE
        beads.append(
            Bead(
                id=f"{'L' if large else 'S'}{k:02d}",
                position_mm=(round(position[0], 4), round(position[1], 4), round(position[2], 4)),
                diameter_mm=_LARGE_MM if large else _SMALL_MM,
                code=large,
            )
        )
    note = (
        "Helix about +z; +x to the patient's left, +y to the table, +z to the head; place its middle at the isocentre."
    )
    return Phantom(name="helix-36", note=note, beads=tuple(beads))


def read_phantom(path: Path) -> Phantom:
    """Read PHANTOM.json. Raises InputError: the file is missing or damaged, or the layout is ambiguous."""
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise InputError(f"{path}: is larger than {_MAX_FILE_BYTES >> 20} MiB, so no phantom file")
        raw = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(raw, dict) or raw.get("schema") != "guidance-app/phantom/1":
            raise InputError(f"{path}: is no phantom file; expected schema guidance-app/phantom/1")
        return Phantom.model_validate(raw)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a phantom file, or none for ours") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: {where}: {first['msg']}; correct the layout") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON; give a phantom file, or none for ours") from error
