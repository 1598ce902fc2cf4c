"""Runs with known positions of all centerline points in every frame: simulated hearts and the phantom."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.anatomy.cases.case import Case, load_case
from engines.anatomy.vessel_model import CenterlineTree, VesselModel
from engines.angiography.contrast import contrast_curve
from engines.angiography.contrast_gate import contrast_gate
from engines.angiography.files.open_run import open_run
from engines.angiography.run import Run
from engines.evaluation.registration.cases import phantom_subjects
from engines.registration.view import RegistrationView, view_of_frame
from engines.segmentation.segmenter import Segmenter

Masks = Literal["network", "true", "drawn", "phantom"]
_FILLED_SHARE = 0.006  # share of the picture, as in `run_view`
_ARTERY = 1  # in the truth's label pictures


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MovingFrame:
    """One frame with contrast.

    Args:
        true_px: (n, 2) true position of each of the model's centerline points.
        counted: (n,) which of them are judged: those of the injected tree inside the picture.
        filled: (n,) which of those show contrast in this frame.
        contraction: 0 at end-diastole, 1 at end-systole; NaN if nothing beats.
    """

    view: RegistrationView
    true_px: Float[np.ndarray, "n 2"]
    counted: Bool[np.ndarray, " n"]
    filled: Bool[np.ndarray, " n"]
    contraction: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MovingRun:
    """Frames in order; registration begins at the fullest frame, `begin`, from `start` (None: the header)."""

    case: str
    run: str
    masks: Masks
    model: VesselModel
    frames: tuple[MovingFrame, ...]
    begin: int
    start: RigidPose | None = None


def heart_runs(folder: Path | str, segmenter: Segmenter | None) -> Iterator[MovingRun]:
    """The runs of a simulated coronary case; without a segmenter, the exact masks replace the network's.

    Raises:
        InputError: the folder is no simulated coronary case.
    """
    case = load_case(folder)
    model = case.vessel_model()
    assert model.centerlines is not None
    for recording in case.recordings:
        truth = _Truth(case, recording.path.stem)
        run = open_run(recording.path)
        injected = truth.injected(model.centerlines)
        full = np.flatnonzero(truth.shares >= _FILLED_SHARE)
        views = _network_views(run, full, segmenter) if segmenter else (truth.view(run, n) for n in full.tolist())
        frames = []
        for number, view in zip(full.tolist(), views, strict=True):
            inside, artery = truth.on_picture(number)
            frames.append(
                MovingFrame(
                    view=view,
                    true_px=truth.points_px[number],
                    counted=injected & inside,
                    filled=injected & artery,
                    contraction=truth.contraction[number],
                )
            )
        yield MovingRun(
            case=case.id,
            run=recording.path.stem,
            masks="network" if segmenter else "true",
            model=model,
            frames=tuple(frames),
            begin=int(np.argmax(truth.shares[full])),
        )


def phantom_runs(folder: Path, segmenter: Segmenter) -> Iterator[MovingRun]:
    """The cines of the phantom, which does not move: its reference pose holds in every frame."""
    for subject in phantom_subjects(folder):
        run = open_run(folder / f"{subject.run}.dcm")
        projection = subject.view.geometry.projection(subject.true_isocentre_from_lps)
        true_px, _ = projection.project(subject.vessel_points_mm())
        counted = inside_picture(true_px, subject.view.geometry.shape_px)
        views = [
            view for view in _network_views(run, range(run.frame_count), segmenter) if _share(view) >= _FILLED_SHARE
        ]
        yield MovingRun(
            case=subject.case,
            run=subject.run,
            masks="phantom",
            model=subject.model,
            frames=tuple(
                MovingFrame(view=view, true_px=true_px, counted=counted, filled=counted, contraction=float("nan"))
                for view in views
            ),
            begin=int(np.argmax([_share(view) for view in views])),
            start=subject.true_isocentre_from_lps,
        )


def inside_picture(px: Float[np.ndarray, "n 2"], shape_px: tuple[int, ...]) -> Bool[np.ndarray, " n"]:
    """Which points lie inside the picture."""
    low, high = (px > -0.5).all(axis=1), (px < (shape_px[1] - 0.5, shape_px[0] - 0.5)).all(axis=1)
    return np.asarray(low & high)


class _Truth:
    """The truth files beside one run of a case."""

    def __init__(self, case: Case, run: str) -> None:
        folder = case.folder / "truth"
        try:
            with np.load(folder / f"{run}_points.npz") as archive:
                self.points_px = archive["points_centi_px"] / 100.0
            with np.load(folder / f"{run}_labels.npz") as archive:
                self.labels = archive["labels"]
            views = json.loads((folder / f"{run}.json").read_text(encoding="utf-8"))["views"]
            self.contraction = [float(view["contraction"]) for view in views]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{folder}: no truth of every point of {run} ({error!r}); use a simulated coronary case"
            ) from error
        self.shares = (self.labels == _ARTERY).mean(axis=(1, 2))

    def view(self, run: Run, number: int) -> RegistrationView:
        geometry = run.frame(number).geometry
        if geometry is None:
            raise InputError(f"{run.source_id}: frame {number} has no projection geometry")
        mask = (self.labels[number] == _ARTERY).astype(np.float32)
        return RegistrationView(file=run.source_id, sop_instance_uid="", frame=number, geometry=geometry, vessel=mask)

    def on_picture(self, number: int) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
        """Which points lie inside the picture, and which of these on a filled artery."""
        px, labels = self.points_px[number], self.labels[number]
        inside = inside_picture(px, labels.shape)
        artery = np.zeros(len(px), dtype=bool)
        at = np.rint(px[inside]).astype(int)
        artery[inside] = labels[at[:, 1], at[:, 0]] == _ARTERY
        return inside, artery

    def injected(self, tree: CenterlineTree) -> Bool[np.ndarray, " n"]:
        """Which points belong to the injected tree, left or right."""
        roots = np.repeat(_roots(tree), [len(branch.points_mm) for branch in tree.branches])
        _, artery = self.on_picture(int(np.argmax(self.shares)))
        names = np.unique(roots)
        shares = [artery[roots == name].mean() for name in names]
        return roots == names[int(np.argmax(shares))]


def _network_views(run: Run, numbers: Sequence[int] | np.ndarray, segmenter: Segmenter) -> Iterator[RegistrationView]:
    curve = contrast_curve(run)
    for number in numbers:
        frame = run.frame(int(number))
        view = view_of_frame(
            frame, segmenter.segment(frame), file=run.source_id, frame_index=int(number), threshold=segmenter.threshold
        )
        gate = contrast_gate(run, frame, curve)
        yield replace(view, image=None, vessel=view.vessel if gate is None else view.vessel * gate)


def _roots(tree: CenterlineTree) -> list[int]:
    roots: list[int] = []
    for index, branch in enumerate(tree.branches):
        roots.append(index if branch.parent < 0 else roots[branch.parent])
    return roots


def _share(view: RegistrationView) -> float:
    return float((view.vessel > view.threshold).mean())
