"""A person's help: what was pointed at becomes evidence, and every way the pullback may lie is ranked again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32

from engines.ivus.features.landmark_maps import ANGLES
from engines.ivus.fusion import Candidate, Fusion
from engines.ivus.registration import Matter, judged
from engines.ivus.search.path_search import Hypothesis, search

_PLACE_SIGMA_MM, _TURN_SIGMA_RAD = 0.25, np.deg2rad(8.0)
_LOOSE = 4.0  # times as wide
_MOST = 60.0  # nats: nothing that the search says of one frame overrules a person
_ECHO = 2  # searched frames on either side that say it again


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing a person said.

    Args:
        frame: stored frame that it is about.
        place_mm: where that frame lies along the course; None where only the turn was said.
        course_rad: angle about the course, from its u towards its v; None where only the place was said.
        frame_rad: the direction in the frame, from u towards v, that lies at `course_rad`.
        along, handedness: of the stored order and of the frames' axes about the course's tangent; None: either.
        loose: a neighbourhood, not a point: the search finds the best answer in it.
        words: for the record.
    """

    frame: int
    place_mm: float | None = None
    course_rad: float | None = None
    frame_rad: float = 0.0
    along: int | None = None
    handedness: int | None = None
    loose: bool = False
    words: str = ""


def landmark_pair(frame: int, frame_rad: float, place_mm: float, course_rad: float) -> Act:
    """This in the frame is that in the CT."""
    words = f"frame {frame} at {np.rad2deg(frame_rad) % 360:.0f} degrees is the CT's landmark at {place_mm:.1f} mm"
    return Act(frame=frame, place_mm=place_mm, course_rad=course_rad, frame_rad=frame_rad, words=words)


def slide(fusion: Fusion, frame: int, by_mm: float) -> Act:
    """The frame lies further along the vessel, in the direction that was found."""
    place = float(fusion.place_mm[frame] + by_mm)
    along = -1 if fusion.distal_to_proximal else 1
    return Act(frame=frame, place_mm=place, along=along, words=f"frame {frame} moved by {by_mm:+.1f} mm")


def turn(fusion: Fusion, frame: int, by_rad: float) -> Act:
    """The frame is turned about the vessel, where it lies."""
    along = -1 if fusion.distal_to_proximal else 1
    return Act(frame=frame, place_mm=float(fusion.place_mm[frame]), course_rad=float(fusion.angle_rad[frame] + by_rad),
               along=along, handedness=fusion.handedness * along,
               words=f"frame {frame} turned by {np.rad2deg(by_rad):+.0f} degrees")  # fmt: skip


def choice(candidate: Candidate, number: int, fusion: Fusion) -> Act:
    """One of the candidates of this answer."""
    along = -1 if candidate.distal_to_proximal else 1
    handedness = candidate.handedness * along
    words = f"candidate {number} chosen"
    nominal = fusion.frame_maps.place_mm - fusion.frame_maps.place_mm[0]
    row, place, course_rad = candidate.anchor, candidate.anchor_mm, candidate.anchor_rad
    if place is None:
        row, place, course_rad = 0, candidate.offset_mm, float(np.deg2rad(candidate.rotation_deg))
    # Beyond what is seen of the vessel no place is told from another: the nearest frame within speaks for the rest.
    first, last = fusion.course_maps.place_mm[[0, -1]]
    expected = place + along * (nominal - nominal[row])
    within = np.flatnonzero((expected > first + 2.0) & (expected < last - 2.0))
    if len(within):
        inner = int(within[np.abs(within - row).argmin()])
        place, row = float(expected[inner]), inner
    return Act(frame=int(fusion.frame_index[row]), place_mm=place, course_rad=course_rad, along=along,
               handedness=handedness, loose=True, words=words)  # fmt: skip


def ranked_again(matter: Matter, acts: Sequence[Act], *, manual: bool = True) -> Fusion:
    """Search with what was said beside the evidence.

    Args:
        manual: say so in the result; False to look at a candidate without choosing it.
    """
    evidence = matter.evidence.copy() if acts else matter.evidence
    for act in acts:
        nearest = int(np.abs(matter.index - act.frame).argmin())
        # One frame's word cannot outweigh all the others': its neighbours, which lie beside it, say it too.
        for row in range(max(nearest - _ECHO, 0), min(nearest + _ECHO + 1, len(matter.index))):
            evidence[:, row] += _said(act, matter, row)

    def allowed(job: Hypothesis) -> bool:
        return all(
            (act.along is None or act.along == job.along)
            and (act.handedness is None or act.handedness == job.handedness)
            for act in acts
        )

    fusion = judged(matter, search(evidence, matter.nominal_mm, matter.course_maps.place_mm, allowed=allowed))
    if acts and manual:
        flags = ("WITH_MANUAL_HELP", *(flag for flag in fusion.flags if flag != "UNCERTAIN"))
        return replace(fusion, flags=flags, acts=tuple(act.words for act in acts))
    return fusion


def _said(act: Act, matter: Matter, row: int) -> Float32[np.ndarray, "2 s a"]:
    places = matter.course_maps.place_mm
    cost = np.zeros((2, len(places), ANGLES), dtype=np.float32)
    wide = _LOOSE if act.loose else 1.0
    if act.place_mm is not None:
        # The frame that is searched may lie beside the one that was pointed at.
        own = float(np.abs(matter.source.z_mm[act.frame] - matter.source.z_mm[0])) - float(
            np.abs(matter.source.z_mm[matter.index[row]] - matter.source.z_mm[0])
        )
        target = act.place_mm - own * (act.along or 0)
        wide_mm = wide * _PLACE_SIGMA_MM + (abs(own) if act.along is None else 0.1 * abs(own))
        cost += (0.5 * ((places - target) / wide_mm) ** 2)[None, :, None].astype(np.float32)
    if act.course_rad is not None:
        bins = np.arange(ANGLES) * 2 * np.pi / ANGLES
        for h, hand in enumerate((1, -1)):
            apart = np.angle(np.exp(1j * (bins - (act.course_rad - hand * act.frame_rad))))
            cost[h] += (0.5 * (apart / (wide * _TURN_SIGMA_RAD)) ** 2)[None, :].astype(np.float32)
    # A place beyond what is seen of the vessel keeps its own price, so that the search may still go there.
    return -np.minimum(cost, np.float32(_MOST))
