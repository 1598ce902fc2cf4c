"""A finished fusion with its maps in memory, opened from a folder."""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
from jaxtyping import Bool, Float
from nibabel.filebasedimages import ImageFileError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy import ndimage

from calibration.errors import InputError
from engines.anatomy.files.poly_data import PolyData
from engines.anatomy.files.vtk_xml import read_vtp
from engines.cmr.fusion.elastic import carried_wall
from engines.cmr.fusion_result import Fusion
from engines.cmr.heart.lv_frame import LvFrame, aha_segments
from engines.cmr.results.bulls_eye import vessel_table
from engines.cmr.results.fused_mesh import fused_mesh
from engines.cmr.results.result_file import INPUTS, result_json

RESULT, MESH, FIGURE = "result.json", "fused.vtp", "figure.png"
MAPS = ("perfusion_on_ct.nii.gz", "territory_on_ct.nii.gz", "warped_cmr_wall.nii.gz")
_MARGIN_VOXELS = 4
_NEAR_MM = 5.0  # of the CT's wall: where the carried wall can be
_MESH_ARRAYS = ("relative_upslope", "territory", "segment", "radius", "part")

Place = tuple[float, float, float]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class SegmentFound(_Part):
    """One AHA segment; what is None was not seen or not given."""

    relative_upslope: float | None
    territory: str | None = None
    aha_default: str
    endo: float | None = None
    epi: float | None = None
    sigma: float | None = None
    reserve: float | None = None
    stress_mbf: float | None = None
    stress_mbf_residual: float | None = None
    rest_mbf: float | None = None
    territory_share: float | None = None
    territory_chance: dict[str, float] | None = None
    territory_shared: bool = False


class LesionFound(_Part):
    branch: str
    vessel: str
    percent: float
    point_lps_mm: Place
    subtended_mass_g: float
    mean_relative_upslope: float | None
    of_remote: float | None = None
    verdict: Literal["matched", "unmatched_lesion", "shared"]


class DefectFound(_Part):
    """Ischaemic wall that no stenosis explains."""

    segments: tuple[int, ...]
    mass_g: float
    mean_relative_upslope: float


class SliceFound(_Part):
    level: float


class DiceFound(_Part):
    reoriented: float | None = None
    registered: float | None = None


class ResultFound(_Part):
    """`result.json` as far as the room shows it."""

    schema_name: Literal["guidance-app/cmr/1"] = Field(alias="schema")
    mitral_lps_mm: Place
    apex_lps_mm: Place
    rv_direction_lps: Place
    segments: dict[int, SegmentFound]
    stenoses: tuple[LesionFound, ...]
    unmatched_defects: tuple[DefectFound, ...] = ()
    dice: DiceFound = DiceFound()
    flags: tuple[str, ...]
    remote_relative_upslope: float | None = None
    by_hand: tuple[str, ...] = ()
    no_blood_flow: dict[str, str] = {}
    coronaries: Literal["given", "found_in_ct", "none", ""] = ""
    coronaries_assumed: tuple[str, ...] = ()
    slices: tuple[SliceFound, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenedCmr:
    """Args:
    remote: relative upslope of remote wall, which shares are taken of; None where no slice saw any.
    upslope: NaN where no slice saw the wall; with `territory` and `carried` cut to the heart's box.
    lps_from_index: of that box.
    wall: which points of the mesh lie on the wall; the others are coronary arteries.
    territories: vessel by level and angle (30, 120); None without a coronary tree.
    cta: where the CT lay; "" where the folder does not say.
    """

    folder: Path
    found: ResultFound
    frame: LvFrame
    remote: float | None
    upslope: Float[np.ndarray, "i j k"]
    territory: np.ndarray
    carried: Bool[np.ndarray, "i j k"]
    lps_from_index: Float[np.ndarray, "4 4"]
    mesh: PolyData
    wall: Bool[np.ndarray, " n"]
    territories: np.ndarray | None
    cta: str

    def share(self, segment: int) -> float | None:
        """Upslope of a segment over the remote wall's."""
        one = self.found.segments.get(segment)
        value = one.relative_upslope if one is not None else None
        return value / self.remote if value is not None and self.remote else None


def open_result(folder: Path) -> OpenedCmr:
    """Open a folder that `cmr fuse` wrote.

    Raises:
        InputError: no result there, or one of its files is missing or damaged.
    """
    found = _read_result(folder)
    mesh = read_vtp(_there(folder, MESH))
    if missing := [name for name in _MESH_ARRAYS if name not in mesh.point_arrays]:
        raise InputError(f"{folder / MESH}: has no point array {missing[0]}; fuse the case again")
    _there(folder, FIGURE)
    (upslope, first), (territory, second), (carried, third) = (_map(folder, name) for name in MAPS)
    if not (upslope.shape == territory.shape == carried.shape and np.allclose(first, second, atol=1e-3)
            and np.allclose(first, third, atol=1e-3)):  # fmt: skip
        raise InputError(f"{folder}: its three maps lie on different grids; fuse the case again")
    box = ndimage.find_objects((np.isfinite(upslope) | (territory > 0) | (carried > 0)).astype(np.uint8))
    if not box:
        raise InputError(f"{folder}: its maps are empty; fuse the case again")
    cut = tuple(slice(max(one.start - _MARGIN_VOXELS, 0), one.stop + _MARGIN_VOXELS) for one in box[0])
    moved = first.copy()
    moved[:3, 3] += first[:3, :3] @ np.array([one.start for one in cut], dtype=np.float64)
    wall = mesh.point_arrays["part"] < 0.5
    frame = _frame(found, mesh, wall)
    return OpenedCmr(
        folder=folder, found=found, frame=frame, remote=_remote(found), upslope=np.array(upslope[cut], np.float64),
        territory=np.array(territory[cut], np.uint8), carried=carried[cut] > 0, lps_from_index=moved, mesh=mesh,
        wall=wall, territories=_territories(frame, mesh, wall), cta=_cta(folder),
    )  # fmt: skip


def opened_of(fusion: Fusion, before: OpenedCmr) -> OpenedCmr:
    """A corrected fusion as if it had been opened; its maps lie on the working grid."""
    heart, wall = fusion.heart, fusion.heart.masks["lv_wall"]
    upslope, territory = np.full(wall.shape, np.nan), np.zeros(wall.shape, np.uint8)
    upslope[wall] = fusion.upslope
    if fusion.territories is not None:
        territory[wall] = fusion.territories.vessel
    steps = max(1, round(_NEAR_MM / float(heart.spacing_mm.min())))
    near = np.asarray(ndimage.binary_dilation(wall, iterations=steps), dtype=bool)
    carried = np.zeros(wall.shape, dtype=bool)
    carried[near] = carried_wall(fusion.model, fusion.links, heart.points_mm(near))
    mesh = fused_mesh(fusion)
    on_wall = mesh.point_arrays["part"] < 0.5
    found = ResultFound.model_validate(result_json(fusion, 0.0))
    return replace(
        before, found=found, frame=fusion.model.frame, remote=_remote(found), upslope=upslope, territory=territory,
        carried=carried, lps_from_index=heart.lps_from_index, mesh=mesh, wall=on_wall,
        territories=_territories(fusion.model.frame, mesh, on_wall),
    )  # fmt: skip


def _read_result(folder: Path) -> ResultFound:
    path = _there(folder, RESULT)
    try:
        return ResultFound.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: {where}: {first['msg']}; expected a result of `cmr fuse`") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); fuse the case again") from error


def _there(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise InputError(f"{folder}: no {name} there; choose a folder that `cmr fuse` wrote")
    return folder / name


def _map(folder: Path, name: str) -> tuple[np.ndarray, Float[np.ndarray, "4 4"]]:
    """Voxels as stored, NaN allowed, and their LPS affine."""
    path = _there(folder, name)
    try:
        image = nib.load(path)
        voxels = np.asarray(image.dataobj)  # pyright: ignore[reportAttributeAccessIssue]
        affine = np.asarray(image.affine, dtype=np.float64)  # pyright: ignore[reportAttributeAccessIssue]
    except (ImageFileError, OSError, EOFError, zlib.error, ValueError) as error:
        raise InputError(f"{path}: cannot be read as NIfTI ({error}); fuse the case again") from error
    if voxels.ndim != 3:
        raise InputError(f"{path}: has {voxels.ndim} dimensions, expected 3; fuse the case again")
    return voxels, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def _remote(found: ResultFound) -> float | None:
    if found.remote_relative_upslope:
        return found.remote_relative_upslope
    seen = [one.relative_upslope for one in found.segments.values() if one.relative_upslope is not None]
    return float(np.percentile(seen, 80)) if seen else None


def _frame(found: ResultFound, mesh: PolyData, wall: np.ndarray) -> LvFrame:
    """The heart's axes; the angle of the anterior insertion is the one that explains the mesh's segments best."""
    apex, mitral = np.array(found.apex_lps_mm), np.array(found.mitral_lps_mm)
    right = np.array(found.rv_direction_lps)
    along = mitral - apex
    right = right - (right @ along) / float(along @ along) * along
    plain = LvFrame(apex_mm=apex, mitral_mm=mitral, right=right / np.linalg.norm(right))
    level, _, angle = plain.local(mesh.points[wall])
    segment = np.rint(mesh.point_arrays["segment"][wall]).astype(int)
    best, agreement = plain, -1.0
    for half_deg in np.arange(20.0, 110.0, 0.5).tolist():
        frame = LvFrame(apex_mm=apex, mitral_mm=mitral, right=plain.right, anterior_rad=math.radians(half_deg))
        share = float((aha_segments(level, frame.aha_degrees(angle)) == segment).mean())
        if share > agreement:
            best, agreement = frame, share
    return best


def _territories(frame: LvFrame, mesh: PolyData, wall: np.ndarray) -> np.ndarray | None:
    vessel = np.rint(mesh.point_arrays["territory"][wall]).astype(int)
    if not vessel.any():
        return None
    level, _, angle = frame.local(mesh.points[wall])
    fed = vessel > 0
    return vessel_table(level[fed], frame.aha_degrees(angle)[fed], vessel[fed])


def _cta(folder: Path) -> str:
    try:
        stored = json.loads((folder / INPUTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    kept = stored.get("cta") if isinstance(stored, dict) else None
    return kept if isinstance(kept, str) else ""
