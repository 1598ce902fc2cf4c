"""How much of what is drawn lies within its halo, on simulated runs, whose exact places are known.

Every frame goes through the engine's own step, with each search from scratch answered before the next frame. A halo
that covers everything says nothing, so its width is told beside the share.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from engines.anatomy.cases.case import Case, load_case
from engines.anatomy.centerlines.polyline import arc_length_mm, points_at
from engines.anatomy.vessel_model import Branch, CenterlineTree
from engines.angiography.frame import Frame
from guidance_app.live import guidance_state
from guidance_app.live.engine.case_pipeline import make_case_pipeline
from guidance_app.live.engine.model_projection import DRAWN_STEP_MM
from guidance_app.live.guidance import Overlay
from guidance_app.live.guidance_state import Situation
from guidance_app.sources.uri import shown_run

GOAL_SHARE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFrame:
    """What was drawn on one frame, as one row for each way in which branches were last seen.

    Args:
        state: of guidance; a proposal is drawn too.
        evidence: what the frame's own picture said for the pose.
        seen: how the branches of this row were last seen.
        points: of the drawn lines within the picture, a millimetre apart.
        within: how many of them lie within their halo of their true place.
        errors_mm: of each point, in the isocentre plane.
    """

    case: str
    run: str
    frame: int
    state: str
    evidence: str
    seen: str
    halo_mm: float
    points: int
    within: int
    errors_mm: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HaloLine:
    """Figures of all frames of one state and evidence, for branches that were last seen in one way.

    Args:
        share_of_frames: of all frames that had an overlay.
        drawn_mm: length of the model's lines within the pictures.
        within_halo: share of that length.
    """

    state: str
    evidence: str
    seen: str
    frames: int
    share_of_frames: float
    drawn_mm: float
    within_halo: float
    halo_median_mm: float
    error_median_mm: float
    error_p90_mm: float

    def content(self) -> dict[str, str | int | float]:
        return asdict(self)


def drawn_frames(folder: Path | str, *, backend: str = "auto") -> Iterator[DrawnFrame]:
    """Play every run of a simulated case.

    Raises:
        InputError: the case has no truth.
    """
    case = load_case(folder)
    tree = case.vessel_model().centerlines
    if tree is None:
        raise InputError(f"{case.folder}: the case has no centerlines to measure on")
    for recording in case.recordings:
        places = _true_places(case, recording.path.stem, tree)
        pipeline = make_case_pipeline(case.folder, backend)
        run, situation = shown_run(recording.path), Situation()
        for number in range(run.frame_count):
            frame = _timed(run.frame(number), number)
            situation = guidance_state.saw_geometry(situation, frame.geometry)
            outcome = pipeline.step(frame, situation)
            situation = outcome.situation
            if outcome.result.overlay is not None:
                where = (case.id, recording.path.stem, number, outcome.result.state)
                yield from _rows(outcome.result.overlay, places(number), *where)
            if outcome.cold_start is not None:
                found = pipeline.register(outcome.cold_start)
                geometry = outcome.cold_start.view.geometry
                situation = guidance_state.registration_finished(
                    situation, found, geometry, outcome.cold_start.generation
                )


def summary_of(rows: Iterable[DrawnFrame]) -> list[HaloLine]:
    """One line for each evidence and each way of being seen, of accepted and of proposed poses apart."""
    rows = list(rows)
    frames = len({(row.case, row.run, row.frame) for row in rows})
    lines = []
    for state, evidence, seen in sorted({(row.state, row.evidence, row.seen) for row in rows}):
        mine = [row for row in rows if (row.state, row.evidence, row.seen) == (state, evidence, seen)]
        points, own = sum(row.points for row in mine), len({(row.case, row.run, row.frame) for row in mine})
        errors_mm = np.concatenate([np.array(row.errors_mm) for row in mine])
        lines.append(
            HaloLine(
                state=state,
                evidence=evidence,
                seen=seen,
                frames=own,
                share_of_frames=own / frames,
                drawn_mm=points * DRAWN_STEP_MM,
                within_halo=sum(row.within for row in mine) / points,
                halo_median_mm=float(np.median([row.halo_mm for row in mine])),
                error_median_mm=float(np.median(errors_mm)),
                error_p90_mm=float(np.percentile(errors_mm, 90.0)),
            )
        )
    return lines


def _timed(frame: Frame, number: int) -> Frame:
    # A recording is as quick as the machine; what evidence is worth depends on the run's own time.
    return replace(frame, index=number, received_ns=1 + round(number * (frame.frame_time_ms or 0.0) * 1e6))


def _rows(
    overlay: Overlay, true_px: dict[int, Float[np.ndarray, "n 2"]], case: str, run: str, frame: int, state: str
) -> Iterator[DrawnFrame]:
    mm_per_px = overlay.geometry.isocentre_mm_per_px
    rows, columns = overlay.geometry.shape_px
    errors: dict[str, list[np.ndarray]] = {}
    for number, line in enumerate(overlay.centerlines):
        inside = ((line.points_px > -0.5) & (line.points_px < (columns - 0.5, rows - 0.5))).all(axis=1)
        distance_px = np.linalg.norm(line.points_px - true_px[number], axis=1)
        errors.setdefault(line.seen or "now", []).append(distance_px[inside & np.isfinite(distance_px)])
    for seen, found in errors.items():
        error_px = np.concatenate(found)
        wide = None if seen == "now" else overlay.unseen_halo_px
        halo_px = overlay.halo_px if wide is None else wide
        if len(error_px):
            yield DrawnFrame(
                case=case,
                run=run,
                frame=frame,
                state=state,
                evidence="none" if overlay.evidence is None else overlay.evidence.kind,
                seen=seen,
                halo_mm=halo_px * mm_per_px,
                points=len(error_px),
                within=int((error_px <= halo_px).sum()),
                errors_mm=tuple((error_px * mm_per_px).tolist()),
            )


def _true_places(case: Case, run: str, tree: CenterlineTree) -> Callable[[int], dict[int, np.ndarray]]:
    """For a frame, the true place of every point of every drawn branch, px."""
    branches = tree.branches
    drawn = [number for number, branch in enumerate(branches) if branch.vessel_class != "vein"]
    drawn = drawn or list(range(len(branches)))
    folder = case.folder / "truth"
    begins = np.cumsum([0, *(len(branch.points_mm) for branch in branches)])
    if (folder / f"{run}_points.npz").is_file():
        with np.load(folder / f"{run}_points.npz") as archive:
            points_px = archive["points_centi_px"] / 100.0
        native = lambda frame: points_px[frame]  # noqa: E731
    else:
        try:
            views = json.loads((folder / f"{run}.json").read_text(encoding="utf-8"))["views"]
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{folder / f'{run}.json'}: no truth of the run ({error}); take a simulated case"
            ) from error
        matrices = {view["frame"]: np.array(view["projection_px_from_lps_mm"]) for view in views}
        points_mm = np.column_stack([tree.points_mm(), np.ones(len(tree.points_mm()))])

        def native(frame: int) -> np.ndarray:
            projected = points_mm @ matrices[frame].T
            return projected[:, :2] / projected[:, 2:]

    return lambda frame: {
        place: _resampled(branches[number], native(frame)[begins[number] : begins[number + 1]])
        for place, number in enumerate(drawn)
    }


def _resampled(branch: Branch, px: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "m 2"]:
    """The same points along the branch as are drawn."""
    drawn = CenterlineTree(branches=(branch,)).resampled(DRAWN_STEP_MM).branches[0].points_mm
    arc, wanted = arc_length_mm(branch.points_mm), arc_length_mm(drawn)
    wanted = wanted * (arc[-1] / wanted[-1]) if wanted[-1] > 0 else wanted
    return points_at(wanted, arc, px)
