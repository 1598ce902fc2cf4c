"""A simulated case as the training sees it: pictures, profiles and labels, maps with the truth; kept on disk."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from calibration.store import write_atomically
from engines.evaluation.ivus.truth import angles_about, course_labels, landmark_cells, lumen_radii, true_states
from engines.ivus.features.ct_maps import ct_maps_and_profiles
from engines.ivus.features.landmark_maps import LandmarkMaps
from engines.ivus.features.ultrasound_maps import maps_and_profiles, profiles_from_catheter
from engines.ivus.files.pullback import Pullback
from engines.ivus.registration import oriented_course
from engines.networks.ivus_network import PolarLandmarkNet
from engines.simulation.ivus.case import IvusCase, draw_case
from engines.simulation.ivus.ultrasound import PIXEL_MM
from engines.training.ivus.evidence_fit import TruePair
from engines.training.ivus.landmark_fit import LabelledPullback

_OWN_PHYSICS_EVERY = 3  # every third patient is of the split train, the others of the split wide
_LARGEST_MISS_MM = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DrawnCase:
    """What is computed once, whatever the networks.

    Args:
        frames, z_mm: the pullback.
        border: ranks about the catheter, with the true distance of the lumen's border.
        landmarks: (class, frame, angle, depth) where side branches open and calcium lies, about the catheter.
        course: profiles of the CT with its labels: openings, calcium, and what the border found without learning lacks.
        course_maps: maps of the CT without learning.
        place, turn, handedness: as in `TruePair`.
        flawed: the centerline leaves the artery or ends before the pullback: no pair to learn from.
    """

    frames: UInt8[np.ndarray, "f rows columns"]
    z_mm: Float[np.ndarray, " f"]
    border: LabelledPullback
    landmarks: Bool[np.ndarray, "2 f a r"]
    course: LabelledPullback
    course_maps: LandmarkMaps
    place: Int[np.ndarray, " f"]
    turn: Int[np.ndarray, " f"]
    handedness: int
    flawed: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreparedCase:
    """Args:
    frames: profiles about the border that the network found, with labels.
    pair: maps with rules for landmarks, with the truth.
    """

    frames: LabelledPullback
    pair: TruePair


def drawn(seed: int, kept: Path | None = None) -> DrawnCase:
    """A case of the split train or wide, from `kept` where it was made before."""
    split = "wide" if seed % _OWN_PHYSICS_EVERY else "train"
    path = None if kept is None else kept / f"{split}_{seed:04d}.npz"
    if path is not None and path.exists():
        return _loaded(path)
    made = drawn_from(draw_case(split, seed))
    if path is not None:
        _keep(path, made)
    return made


def drawn_from(case: IvusCase) -> DrawnCase:
    """What a simulated case gives to the training."""
    pullback = _pullback(case.frames, case.pullback.nominal_mm)
    course, _, _ = oriented_course(case.ct, case.centerline_mm, learned=False)
    maps, profiles = ct_maps_and_profiles(case.ct, course)
    labels, radius = course_labels(case, course.frame)
    missing = np.clip(radius - maps.radius_mm, -_LARGEST_MISS_MM, _LARGEST_MISS_MM)
    true_mm = lumen_radii(case.shapes)[None].astype(np.float32)
    place, turn, handedness = true_states(case, course.frame)
    return DrawnCase(
        frames=case.frames, z_mm=case.pullback.nominal_mm,
        border=LabelledPullback(profiles=profiles_from_catheter(pullback), labels=true_mm),
        landmarks=landmark_cells(case.shapes),
        course=LabelledPullback(profiles=profiles, labels=np.concatenate([labels, missing[None]]).astype(np.float32)),
        course_maps=maps, place=place, turn=turn, handedness=handedness, flawed=bool(case.flaws),
    )  # fmt: skip


def prepared(case: DrawnCase, border: PolarLandmarkNet) -> PreparedCase:
    """Profiles and maps about the border that the network finds."""
    maps, profiles = maps_and_profiles(_pullback(case.frames, case.z_mm), border=border)
    labels = np.stack([angles_about(cells, maps.centre_mm) for cells in case.landmarks])
    return PreparedCase(
        frames=LabelledPullback(profiles=profiles, labels=labels),
        pair=TruePair(frames=maps, course=case.course_maps, place=case.place, turn=case.turn,
                      handedness=case.handedness),
    )  # fmt: skip


def _pullback(frames: np.ndarray, z_mm: np.ndarray) -> Pullback:
    middle = frames.shape[1] // 2
    return Pullback(frames=frames, pixel_mm=PIXEL_MM, centre_px=(middle, middle), z_mm=z_mm, source="simulated")


def _keep(path: Path, case: DrawnCase) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values: dict[str, np.ndarray] = {
        "frames": case.frames, "z_mm": case.z_mm, "landmarks": np.packbits(case.landmarks, axis=3),
        "depths": np.array(case.landmarks.shape[3]), "place": case.place, "turn": case.turn,
        "handedness": np.array(case.handedness), "flawed": np.array(case.flawed),
    }  # fmt: skip
    for name, part in (("border", case.border), ("course", case.course)):
        values[f"{name}.profiles"] = part.profiles.astype(np.float16)
        values[f"{name}.labels"] = part.labels.astype(np.float16)
    for field in fields(LandmarkMaps):
        values[f"maps.{field.name}"] = getattr(case.course_maps, field.name).astype(np.float32)

    def write(beside: Path) -> None:
        with beside.open("wb") as file:
            np.savez(file, allow_pickle=False, **values)

    write_atomically(path, write)


def _loaded(path: Path) -> DrawnCase:
    with np.load(path, allow_pickle=False) as stored:
        labelled = {
            name: LabelledPullback(
                profiles=stored[f"{name}.profiles"].astype(np.float32),
                labels=stored[f"{name}.labels"].astype(np.float32),
            )
            for name in ("border", "course")
        }
        maps = LandmarkMaps(
            **{field.name: stored[f"maps.{field.name}"].astype(np.float64) for field in fields(LandmarkMaps)}
        )
        landmarks = np.unpackbits(stored["landmarks"], axis=3)[..., : int(stored["depths"])].astype(bool)
        return DrawnCase(
            frames=stored["frames"], z_mm=stored["z_mm"], landmarks=landmarks, course_maps=maps, place=stored["place"],
            turn=stored["turn"], handedness=int(stored["handedness"]), flawed=bool(stored["flawed"]), **labelled,
        )  # fmt: skip
