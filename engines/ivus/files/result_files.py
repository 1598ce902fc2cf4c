"""What a registration leaves in its folder: `result.json`, `centerline.vtp`, `mpr.nii.gz`, `figure.png`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from jaxtyping import Float, Int16

from calibration.errors import InputError
from calibration.store import make_folder, write_json
from engines.anatomy.files.poly_data import PolyData
from engines.anatomy.files.vtk_xml import write_vtp
from engines.anatomy.vessel_model import CtVolume
from engines.ivus.features.landmark_maps import LandmarkMaps
from engines.ivus.files.contour_tables import Contours
from engines.ivus.files.pullback import Pullback
from engines.ivus.files.session_file import NAME as SESSION
from engines.ivus.files.session_file import Inputs, write_session
from engines.ivus.fusion import Candidate, Fusion, Landmark
from engines.ivus.geometry.straightened import square_sections
from engines.ivus.trust import advice

SCHEMA = "guidance-app/ivus/1"
_FILES = (SESSION, "mpr.nii.gz", "figure.png", "centerline.vtp", "result.json")
_CONTOUR_GRID_MM = np.arange(-4.5, 4.51, 0.1)


def write_result(
    folder: Path, fusion: Fusion, ct: CtVolume, source: Pullback | Contours, *, inputs: Inputs | None = None
) -> None:
    """Write all files, or none.

    Args:
        inputs: where they came from; with them the folder can be opened in the panel.

    Raises:
        InputError: the folder cannot be written to.
    """
    from engines.ivus.figure import write_figure

    make_folder(folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as beside:
        part = Path(beside)
        mpr = matching_sections(ct, fusion, source)
        _write_sections(part / "mpr.nii.gz", mpr, source)
        write_figure(part / "figure.png", fusion, source, mpr)
        _write_line(part / "centerline.vtp", fusion)
        write_json(part / "result.json", result_of(fusion))
        if inputs is not None:
            write_session(part / SESSION, fusion, inputs)
        # The description comes last: where it lies, the other files lie too.
        try:
            for name in _FILES if inputs is not None else _FILES[1:]:
                (part / name).replace(folder / name)
        except OSError as error:
            raise InputError(f"{folder}: cannot write here ({error.strerror}); choose another folder") from error


def result_of(fusion: Fusion) -> dict[str, Any]:
    """`result.json` as the contract has it."""
    return {
        "schema": SCHEMA,
        "direction": _direction(fusion.distal_to_proximal),
        "handedness": fusion.handedness,
        "score": round(fusion.score, 4),
        "confidence": round(fusion.confidence, 4),
        "flags": list(fusion.flags),
        "advice": {name: advice(name, fusion) for name in fusion.flags},
        "method": fusion.method,
        "left_line_at_mm": None if fusion.course.left_mm is None else round(fusion.course.left_mm, 2),
        "manual": {"helped": bool(fusion.acts), "acts": list(fusion.acts)},
        "frames": [
            {"z_mm": float(z), "point_lps_mm": _rounded(p), "u_lps": _rounded(u, 6), "v_lps": _rounded(v, 6), **sigma}
            for z, p, u, v, sigma in zip(
                fusion.z_mm, fusion.points_mm, fusion.u, fusion.v, _sigmas(fusion), strict=True
            )
        ],
        "landmarks": {
            "ivus": [_landmark(landmark, "frame") for landmark in fusion.ivus_landmarks],
            "cta": [_landmark(landmark, "s_mm") for landmark in fusion.ct_landmarks],
        },
        "candidates": [_candidate(candidate) for candidate in fusion.candidates],
        "elapsed_ms": round(fusion.elapsed_ms, 1),
    }


def matching_sections(ct: CtVolume, fusion: Fusion, source: Pullback | Contours) -> Int16[np.ndarray, "f rows columns"]:
    """The CT on the grid of the frames; for contours a grid of 0.1 mm about the lumen's middle."""
    return np.stack([matching_section(ct, fusion, source, frame) for frame in range(len(fusion.points_mm))])


def matching_section(ct: CtVolume, fusion: Fusion, source: Pullback | Contours, frame: int) -> Int16[np.ndarray, "r c"]:
    """One of `matching_sections`."""
    columns_mm, rows_mm = _grid(source)
    part = slice(frame, frame + 1)
    hu = square_sections(ct, fusion.points_mm[part], fusion.u[part], fusion.v[part], columns_mm=columns_mm,
                         rows_mm=rows_mm)  # fmt: skip
    return np.rint(hu[0]).astype(np.int16)


def write_landmarks(folder: Path, maps: LandmarkMaps, landmarks: tuple[Landmark, ...], extra: dict[str, Any]) -> None:
    """`landmarks.json` with lumen and landmarks of each frame, and `maps.npz`; both or none.

    Raises:
        InputError: the folder cannot be written to.
    """
    make_folder(folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as beside:
        part = Path(beside)
        np.savez_compressed(
            part / "maps.npz", place_mm=maps.place_mm, branch=maps.branch.astype(np.float32),
            calcium=maps.calcium.astype(np.float32), valid=maps.valid.astype(np.float32),
            lumen_radius_mm=maps.radius_mm.astype(np.float32), lumen_centre_mm=maps.centre_mm.astype(np.float32),
        )  # fmt: skip
        area = np.pi * maps.size_mm**2
        write_json(
            part / "landmarks.json",
            {
                "schema": "guidance-app/ivus-landmarks/1",
                **extra,
                "z_mm": [round(float(z), 4) for z in maps.place_mm],
                "lumen_area_mm2": [round(float(a), 3) for a in area],
                "landmarks": [_landmark(landmark, "frame") for landmark in landmarks],
            },
        )
        for name in ("maps.npz", "landmarks.json"):
            (part / name).replace(folder / name)


def _grid(source: Pullback | Contours) -> tuple[Float[np.ndarray, " c"], Float[np.ndarray, " r"]]:
    if isinstance(source, Contours):
        return _CONTOUR_GRID_MM, _CONTOUR_GRID_MM
    rows, columns = source.frames.shape[1:]
    return (
        (np.arange(columns) - source.centre_px[0]) * source.pixel_mm,
        (np.arange(rows) - source.centre_px[1]) * source.pixel_mm,
    )


def _write_sections(path: Path, mpr: Int16[np.ndarray, "f r c"], source: Pullback | Contours) -> None:
    columns_mm, rows_mm = _grid(source)
    z = np.abs(np.asarray(source.z_mm))
    step = float(np.median(np.abs(np.diff(z))))
    affine = np.diag([columns_mm[1] - columns_mm[0], rows_mm[1] - rows_mm[0], step, 1.0])
    affine[:3, 3] = columns_mm[0], rows_mm[0], float(z[0])
    nib.save(nib.Nifti1Image(np.ascontiguousarray(mpr.transpose(2, 1, 0)), affine), path)


def _write_line(path: Path, fusion: Fusion) -> None:
    count = len(fusion.points_mm)
    arrays = {"u": fusion.u, "v": fusion.v, "arc_mm": fusion.place_mm, "z_mm": fusion.z_mm}
    write_vtp(path, PolyData(points=fusion.points_mm, lines=(np.arange(count),), point_arrays=arrays))


def _sigmas(fusion: Fusion) -> list[dict[str, float]]:
    """How sure each frame's place and turn are; nothing where the method does not say."""
    known = fusion.certainty
    if known is None:
        return [{}] * len(fusion.z_mm)
    nominal = np.abs(fusion.z_mm - fusion.z_mm[0])
    place, turn = (np.interp(nominal, nominal[fusion.frame_index], values)
                   for values in (known.place_sigma_mm, known.turn_sigma_deg))  # fmt: skip
    return [{"sigma_mm": round(float(p), 3), "sigma_deg": round(float(t), 2)} for p, t in zip(place, turn, strict=True)]


def _direction(distal_to_proximal: bool) -> str:
    return "distal_to_proximal" if distal_to_proximal else "proximal_to_distal"


def _rounded(vector: Float[np.ndarray, " 3"], digits: int = 4) -> list[float]:
    return [round(float(value), digits) for value in vector]


def _landmark(landmark: Landmark, place: str) -> dict[str, Any]:
    return {
        "kind": landmark.kind, place: landmark.place, "angle_deg": landmark.angle_deg,
        "probability": landmark.probability,
    }  # fmt: skip


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "score": round(candidate.probability, 5),
        "offset_mm": round(candidate.offset_mm, 3),
        "rotation_deg": round(candidate.rotation_deg, 2),
        "direction": _direction(candidate.distal_to_proximal),
        "handedness": candidate.handedness,
    }
