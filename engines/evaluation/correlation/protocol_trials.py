"""The protocol of correlation-driven registration: distant starts, with and without evolution, on held-out patients.

It follows Chen et al. 2024: turns N(0, 20) degrees about each axis, moves N(0, 30) mm across and N(0, 60) mm along the
beam. `P1` draws only the start, about the centre of the CT; `P2` draws target and start; `P3` is P2 with the pivot
360 mm from the patient, which reproduces the poster's initial errors. All methods get the same pictures and starts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict
from scipy.spatial.transform import Rotation

from calibration.errors import InputError
from calibration.pose import RigidPose
from calibration.store import write_bytes
from engines.evaluation.correlation.protocol_targets import Target, exposed, target
from engines.registration.methods.correlation_driven import Course, PictureScene, follow
from engines.registration.methods.method import MethodResult

Variant = Literal["P1", "P2", "P3"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
PATIENTS = 8
_TURN_RAD, _MOVE_MM = np.deg2rad(20.0), (30.0, 30.0, 60.0)
_FAR_PIVOT_MM = 360.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table; a row without a course is the start itself.

    Args:
        weights: sha-256 of the network's file, or ""; stored trials of other weights are not reused.
    """

    name: str
    course: Course | None
    weights: str = ""


class ProtocolTrial(BaseModel):
    """One registration of one case.

    `mtre_mm` is the mean distance in space of points of the vessels, `mpd_mm` that of their projections in the
    isocentre plane.
    """

    model_config = ConfigDict(frozen=True)
    row: str
    case: int
    patient: str
    mtre_mm: float
    mpd_mm: float
    seconds: float
    score: float
    weights: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProtocolCase:
    """A picture, the patient's true pose, and the start of the registration."""

    number: int
    target: Target
    scene: PictureScene
    true: RigidPose
    start: RigidPose


def variant_named(name: str) -> Variant:
    """The variant of this name. Raises InputError if there is none."""
    for variant in VARIANTS:
        if variant == name:
            return variant
    raise InputError(f"correlation-protocol: no variant {name!r}; choose one of {', '.join(VARIANTS)}")


def protocol_case(variant: Variant, number: int, seed: int) -> ProtocolCase:
    """The case of a number and seed; it does not depend on other cases."""
    shown = target(number % PATIENTS, seed)
    rng = np.random.default_rng([seed, number, VARIANTS.index(variant), 52])
    true = shown.nominal if variant == "P1" else drawn(shown, variant, rng)
    start = drawn(shown, variant, rng)
    return ProtocolCase(number=number, target=shown, scene=exposed(shown, true, rng), true=true, start=start)


def drawn(shown: Target, variant: Variant, rng: np.random.Generator) -> RigidPose:
    """A pose drawn about the nominal one: turned about the pivot, moved along the camera's axes."""
    turn = Rotation.from_rotvec(rng.normal(0.0, _TURN_RAD, 3)).as_matrix()
    camera = shown.geometry.camera_from_isocentre().rotation
    move = camera.T @ (rng.normal(size=3) * _MOVE_MM)
    pivot = shown.nominal.apply(shown.centre_lps_mm[None])[0]
    if variant == "P3":
        pivot = pivot + np.array([0.0, 0.0, _FAR_PIVOT_MM])
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ shown.nominal.rotation
    matrix[:3, 3] = turn @ (shown.nominal.translation_mm - pivot) + pivot + move
    return RigidPose(matrix=matrix, target="isocentre", source="lps")


def run_protocol(
    rows: Sequence[Row],
    *,
    variant: Variant,
    cases: int,
    seed: int,
    log: ProtocolLog,
    progress: Callable[[str], None] = lambda _: None,
) -> list[ProtocolTrial]:
    """Run every row on every case, case by case, so that an interrupted run leaves complete comparisons."""
    trials = []
    for number in range(cases):
        missing = [row for row in rows if log.finished(row, number) is None]
        case = protocol_case(variant, number, seed) if missing else None
        descents = Descents()
        for row in rows:
            done = log.finished(row, number)
            if done is None:
                assert case is not None
                done = run_case(row, case, descents)
                log.add(done)
            trials.append(done)
        told = ", ".join(f"{trial.row} {trial.mtre_mm:.1f}" for trial in trials[-len(rows) :])
        progress(f"case {number + 1}/{cases}, mTRE in mm: {told}")
    return trials


class Descents:
    """Stores the descents of one case, because rows with and without evolution begin with the same descent."""

    def __init__(self) -> None:
        self._made: dict[int, MethodResult] = {}

    def follow(self, course: Course, case: ProtocolCase) -> MethodResult:
        """As the function `follow`; the time includes a stored descent's."""
        if course.similarity is None or course.descent is None:
            return follow(course, case.scene, case.start)
        made = self._made.get(id(course.similarity))
        if made is None:
            made = follow(replace(course, evolution=None, polish=None), case.scene, case.start)
            self._made[id(course.similarity)] = made
        if course.evolution is None and course.polish is None:
            return made
        found = follow(replace(course, descent=None), case.scene, made.isocentre_from_lps)
        return replace(found, seconds=made.seconds + found.seconds, stages=(*made.stages, *found.stages))


def run_case(row: Row, case: ProtocolCase, descents: Descents | None = None) -> ProtocolTrial:
    """Run and measure one registration."""
    pose, seconds, score = case.start, 0.0, 0.0
    if row.course is not None:
        found = (descents or Descents()).follow(row.course, case)
        pose, seconds, score = found.isocentre_from_lps, found.seconds, found.score
    points = case.target.landmarks_mm
    return ProtocolTrial(
        row=row.name,
        case=case.number,
        patient=case.target.name,
        mtre_mm=float(np.linalg.norm(pose.apply(points) - case.true.apply(points), axis=1).mean()),
        mpd_mm=projection_distance_mm(case.target, pose, case.true),
        seconds=seconds,
        score=float(score) if math.isfinite(score) else 0.0,
        weights=row.weights,
    )


def projection_distance_mm(shown: Target, pose: RigidPose, true: RigidPose) -> float:
    """Mean distance of the landmarks' projections; limited to a metre, for poses that put them behind the source."""
    places: list[Float[np.ndarray, "n 2"]] = [
        shown.geometry.projection(at).project(shown.landmarks_mm)[0] for at in (pose, true)
    ]
    apart = np.linalg.norm(places[0] - places[1], axis=1) * shown.geometry.isocentre_mm_per_px
    return float(np.nan_to_num(apart, nan=1000.0).clip(max=1000.0).mean())


class ProtocolLog:
    """Finished trials in a file beside the report: a first line with the settings, then one JSON line each.

    Raises:
        InputError: the log belongs to other settings or cannot be written.
    """

    def __init__(self, report: Path | None, settings: str) -> None:
        self.path = None if report is None else report.with_name(f"{report.name}.trials.jsonl")
        self._done: dict[tuple[str, int], ProtocolTrial] = {}
        if self.path is None:
            return
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        if lines and lines[0] != settings:
            raise InputError(f"{self.path}: holds trials of other settings; choose another --json, or remove it")
        for line in lines[1:]:
            try:
                trial = ProtocolTrial.model_validate_json(line)
            except ValueError:
                continue  # cut off when the process was killed
            self._done[trial.row, trial.case] = trial
        kept = [settings, *(trial.model_dump_json() for trial in self._done.values())]
        write_bytes(self.path, ("\n".join(kept) + "\n").encode())

    def finished(self, row: Row, case: int) -> ProtocolTrial | None:
        found = self._done.get((row.name, case))
        return found if found is not None and found.weights == row.weights else None

    def add(self, trial: ProtocolTrial) -> None:
        """Add a trial and write it to disk at once."""
        self._done[trial.row, trial.case] = trial
        if self.path is None:
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(trial.model_dump_json() + "\n")
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror}); free space") from error
