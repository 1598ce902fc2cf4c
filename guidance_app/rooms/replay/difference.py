"""How far two answers to one frame lie apart, in millimetres."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from engines.anatomy.vessel_model import VesselModel
from engines.evaluation.registration.metrics import projection_error_mm
from guidance_app.live.recording.recorded_poses import FramePose
from guidance_app.views.language import tr

_MOST_POINTS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """Means over the model's points.

    Args:
        picture_mm: between both projections, measured in the isocentre plane, as every stated error is.
        space_mm: in space, which includes the depth that one view hardly shows.
    """

    picture_mm: float
    space_mm: float


def model_points_mm(model: VesselModel) -> Float[np.ndarray, "n 3"]:
    """Points spread over the whole model, LPS."""
    branches = () if model.centerlines is None else model.centerlines.branches
    parts = [branch.points_mm for branch in branches] or ([] if model.surface is None else [model.surface.vertices_mm])
    points_mm = np.concatenate(parts) if parts else np.empty((0, 3))
    return points_mm[:: max(1, len(points_mm) // _MOST_POINTS)]


def apart(first: FramePose, second: FramePose, points_mm: Float[np.ndarray, "n 3"]) -> Apart | None:
    """None where the two do not speak of one view, or there is no model to measure on."""
    if not len(points_mm) or not first.view.same_view(second.view):
        return None
    poses = (first.isocentre_from_lps, second.isocentre_from_lps)
    one, other = (first.view.projection(pose) for pose in poses)
    away_mm = np.linalg.norm(poses[0].apply(points_mm) - poses[1].apply(points_mm), axis=1)
    return Apart(picture_mm=projection_error_mm(one, other, points_mm, first.view), space_mm=float(away_mm.mean()))


def all_apart(
    first: Mapping[int, FramePose], second: Mapping[int, FramePose], points_mm: Float[np.ndarray, "n 3"]
) -> dict[int, Apart]:
    """By frame, where both have a pose."""
    found = {frame: apart(first[frame], second[frame], points_mm) for frame in sorted(set(first) & set(second))}
    return {frame: one for frame, one in found.items() if one is not None}


def median_and_most(values: Iterable[float]) -> tuple[float, float]:
    """Of one value or more."""
    listed = list(values)
    return float(np.median(listed)), max(listed)


def words_of_frame(away: Mapping[int, Apart], frame: int, without: Sequence[str]) -> str:
    """How far A and B lie apart on this frame.

    Args:
        without: the sides that have no pose on this frame.
    """
    one = away.get(frame)
    if one is not None:
        words = tr("On this frame A and B lie {picture} mm apart in the picture; {space} mm in space, with the depth.")
        return words.format(picture=f"{one.picture_mm:.2f}", space=f"{one.space_mm:.2f}")
    if without:
        return tr("No distance on this frame: no pose in {sides}.").format(sides=tr(" and ").join(without))
    return tr("No distance on this frame: A and B do not speak of one view.")


def words_of_run(away: Mapping[int, Apart]) -> str:
    """The same over all frames with a pose in both."""
    if not away:
        return tr("A to B: no frame has a pose in both")
    median, most = median_and_most(one.picture_mm for one in away.values())
    return tr("A to B in the picture over {count} frames: median {median} mm, most {most} mm").format(
        count=len(away), median=f"{median:.2f}", most=f"{most:.2f}"
    )
