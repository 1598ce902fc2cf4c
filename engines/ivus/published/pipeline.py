"""The published registration from pictures to poses.

Source: van Herten et al., "Classifier-guided registration of coronary CT angiography and intravascular ultrasound"
(seed 000), III-B and IV-B. To the letter: sequential search, AdamW 1e-3 on scale, shift, turn and both offsets, Dice
with cross-entropy plus masked NMI plus 1000 times eq. 7, end where NMI changes by less than 1e-4 of itself three times.

Not to the letter, since the paper's network is not public: landmarks are told by the shipped networks, and the CT's
maps are computed on the dense reformat and warped, anew every `every` steps. AdamW's weight decay is off: it would pull
scale and turn to 0. The rule of the end alone would end it after 4 steps, since a step of 1e-3 rad or mm hardly changes
NMI: at least 30 are taken.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from importlib.resources import files

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from engines.anatomy.centerlines.moving_frame import MovingFrame, moving_frame
from engines.anatomy.vessel_model import CtVolume
from engines.ivus.features.ct_maps import ct_maps
from engines.ivus.features.landmark_list import landmark_list
from engines.ivus.features.landmark_maps import ANGLES, LandmarkMaps
from engines.ivus.features.landmark_weights import load_landmark_network
from engines.ivus.files.contour_tables import Contours
from engines.ivus.files.pullback import Pullback
from engines.ivus.fusion import Candidate, Fusion
from engines.ivus.geometry.vessel_course import STEP_MM, VesselCourse, blood_level
from engines.ivus.published.losses import dice_ce, nmi_loss
from engines.ivus.published.pair import CtTensor, FixedSamples, fixed_samples, line_maps, stacked
from engines.ivus.published.pre_alignment import Start, starts
from engines.ivus.published.warp import LineTensors, Warp
from engines.ivus.registration import frame_landmarks, oriented_course
from engines.ivus.trust import input_flags

RATE, ROUGHNESS_WEIGHT = 1e-3, 1000.0
STOP_CHANGE, STOP_TIMES = 1e-4, 3
MAPS_EVERY = 25
_FEWEST_STEPS, _MOST_STEPS = 30, 1000
_SEED = 0
_APART_BINS = 6  # 45 degrees
_MOST_CANDIDATES = 5


def register_published(
    ct: CtVolume,
    line_mm: Float[np.ndarray, "n 3"],
    source: Pullback | Contours,
    *,
    every: int = MAPS_EVERY,
    progress: Callable[[str, float], None] = lambda *_: None,
) -> Fusion:
    """Find where each frame lies by the published method.

    Args:
        line_mm: the vessel's centerline, either end first.
        every: steps after which the CT's landmark maps are computed again.
    """
    began = time.perf_counter()
    progress("following the vessel in the CT", 0.0)
    # The paper's centerlines run from the ostium; which end that is, is told as in our own method.
    recentred, _, ostium = oriented_course(ct, line_mm)
    ends = np.linalg.norm(line_mm[[0, -1]] - recentred.frame.at(np.zeros(1)).points_mm, axis=1)
    frame = moving_frame(line_mm if ends[0] <= ends[1] else line_mm[::-1], step_mm=STEP_MM)
    course = VesselCourse(frame=frame, given_mm=frame.length_mm, blood_hu=blood_level(ct, frame))
    network = load_landmark_network(of="ct")
    course_maps = ct_maps(ct, course, network=network)
    progress("reading the frames", 0.2)
    frame_maps, index, doubtful = frame_landmarks(source)
    progress("searching", 0.4)
    nominal = frame_maps.place_mm - frame_maps.place_mm[0]
    fixed_maps = stacked(frame_maps)
    found = starts(fixed_maps, nominal, stacked(course_maps), frame.arc_mm)
    best = found[0]
    line = LineTensors.of(frame)
    warp = Warp(
        torch.from_numpy(2.0 * nominal / nominal[-1] - 1.0), scale=best.along * 0.5 * nominal[-1] / line.half_mm,
        shift=(best.middle_mm - line.half_mm) / line.half_mm, turn_rad=best.handedness * best.turn * 2 * np.pi / ANGLES,
        handedness=best.handedness,
    )  # fmt: skip
    samples = fixed_samples(source, index, frame_maps, seed=_SEED)
    steps, loss = descend(
        ct, frame, line, warp, fixed_maps, samples, every=every,
        progress=lambda step: progress("descending", 0.4 + 0.5 * min(step / 300.0, 1.0)),
    )  # fmt: skip
    progress("judging", 0.95)
    z_mm = np.asarray(source.z_mm, dtype=np.float64)
    whole = _on_all_frames(warp, np.abs(z_mm - z_mm[0]), index)
    points, u, v = whole.poses(line)
    place = whole.place(line).detach().numpy()
    angle = best.handedness * whole.theta.detach().numpy()
    signs = _signs(course, course_maps, frame_maps, place[index], ostium, doubtful=doubtful) | {"steps": float(steps)}
    names = np.arange(len(z_mm), dtype=np.float64)[index]
    return Fusion(
        points_mm=points, u=u, v=v, place_mm=place, angle_rad=angle, z_mm=z_mm, distal_to_proximal=best.along < 0,
        handedness=best.handedness * best.along, score=-loss, confidence=known_share_right(),
        flags=("NO_SELF_CHECK", *input_flags(signs)), candidates=_candidates(found, -loss, place[0], angle[0], nominal),
        ivus_landmarks=landmark_list(frame_maps, names),
        ct_landmarks=landmark_list(course_maps, course_maps.place_mm), course=course, course_maps=course_maps,
        frame_maps=frame_maps, frame_index=index, signs=signs, method="paper",
        elapsed_ms=1000.0 * (time.perf_counter() - began),
    )  # fmt: skip


def known_share_right() -> float:
    """How often this method was right on simulated validation cases: all that is known of one answer's chance."""
    stored = json.loads(files("assets").joinpath("models/ivus_published.json").read_text(encoding="utf-8"))
    return float(stored["right"]) / float(stored["cases"])


def descend(
    ct: CtVolume, frame: MovingFrame, line: LineTensors, warp: Warp, fixed_maps: Float[Tensor, "2 f a"],
    samples: FixedSamples, *, every: int, progress: Callable[[int], None] = lambda _: None,
) -> tuple[int, float]:  # fmt: skip
    """Gradient descent on the warp, in place; steps taken and the last loss."""
    volume, network = CtTensor.of(ct), load_landmark_network(of="ct")
    optimiser = torch.optim.AdamW(warp.parameters(), lr=RATE, weight_decay=0.0)
    maps = torch.zeros((2, len(line.arc), ANGLES), dtype=torch.float64)
    before, calm, value = np.inf, 0, np.inf
    step = 0
    for step in range(1, _MOST_STEPS + 1):
        if (step - 1) % every == 0:
            progress(step)
            maps = line_maps(ct, frame, _offsets(warp, line), network)
        optimiser.zero_grad()
        mutual = nmi_loss(samples.grey, volume.read(_sample_places(warp, line, samples)))
        alike = dice_ce(fixed_maps.flatten(1), warped_maps(warp, line, maps).flatten(1))
        loss = alike + mutual + ROUGHNESS_WEIGHT * warp.roughness()
        loss.backward()
        optimiser.step()
        now, value = float(mutual.detach()), float(loss.detach())
        calm = calm + 1 if abs(now - before) < STOP_CHANGE * abs(now) else 0
        before = now
        if step >= _FEWEST_STEPS and calm >= STOP_TIMES:
            break
    return step, value


def warped_maps(warp: Warp, line: LineTensors, maps: Float[Tensor, "2 n a"]) -> Float[Tensor, "2 f a"]:
    """The line's maps at the frames' places and angles; nothing beyond its ends. Differentiable in the warp."""
    rows = line.row(warp.place(line))
    angle = torch.arange(ANGLES, dtype=torch.float64) * 2 * np.pi / ANGLES
    columns = torch.remainder(warp.handedness * (warp.theta[:, None] + angle) / (2 * np.pi) * ANGLES, ANGLES)
    around = torch.cat([maps, maps[:, :, :1]], dim=2)
    grid = torch.stack(
        [2.0 * columns / ANGLES - 1.0, (2.0 * rows / (len(line.arc) - 1) - 1.0)[:, None].expand_as(columns)], dim=-1
    )
    return torch.nn.functional.grid_sample(around[None], grid[None], align_corners=True)[0]


def _sample_places(warp: Warp, line: LineTensors, samples: FixedSamples) -> Float[Tensor, "n 3"]:
    points, u, v = line.at(warp.place(line))
    cos, sin = torch.cos(warp.theta)[samples.frame], torch.sin(warp.theta)[samples.frame]
    x, y = samples.x_mm + warp.offset_u[samples.frame], samples.y_mm + warp.offset_v[samples.frame]
    along_u, along_v = cos * x - sin * y, warp.handedness * (sin * x + cos * y)
    return points[samples.frame] + along_u[:, None] * u[samples.frame] + along_v[:, None] * v[samples.frame]


def _offsets(warp: Warp, line: LineTensors) -> Float[np.ndarray, "n 2"]:
    """Offsets of the frames from the line, along its own u and v, spread over all of it."""
    with torch.no_grad():
        place = warp.place(line).numpy()
        nothing = torch.zeros((len(place), 1), dtype=torch.float64)
        a, b = (part[:, 0].numpy() for part in warp.in_plane(nothing, nothing))
    order = np.argsort(place)
    arc = line.arc.numpy()
    return np.column_stack([np.interp(arc, place[order], part[order]) for part in (a, warp.handedness * b)])


def _on_all_frames(warp: Warp, nominal: Float[np.ndarray, " f"], index: np.ndarray) -> Warp:
    first, last = nominal[index[0]], nominal[index[-1]]
    zeta = 2.0 * (nominal - first) / (last - first) - 1.0
    whole = Warp(torch.from_numpy(zeta), scale=warp.scale.item(), shift=warp.shift.item(), turn_rad=0.0,
                 handedness=warp.handedness)  # fmt: skip
    with torch.no_grad():
        for name in ("theta", "offset_u", "offset_v"):
            known = getattr(warp, name).numpy()
            getattr(whole, name).copy_(torch.from_numpy(np.interp(nominal, nominal[index], known)))
    return whole


def _candidates(
    found: Sequence[Start], score: float, place_mm: float, angle_rad: float, nominal: np.ndarray
) -> tuple[Candidate, ...]:
    """The answer, then other turns at the same place; their score is the negative loss of the maps, no probability."""
    first = found[0]
    kept = [first]
    for start in found[1:]:
        apart = [
            start.handedness != other.handedness
            or abs((start.turn - other.turn + ANGLES // 2) % ANGLES - ANGLES // 2) > _APART_BINS
            for other in kept
        ]
        if all(apart) and len(kept) < _MOST_CANDIDATES:
            kept.append(start)
    rows = [(score, place_mm, angle_rad, first)]
    rows += [(-k.loss, k.middle_mm - k.along * 0.5 * nominal[-1], k.turn * 2 * np.pi / ANGLES, k) for k in kept[1:]]
    return tuple(
        Candidate(probability=float(value), offset_mm=float(offset), distal_to_proximal=start.along < 0,
                  rotation_deg=float(np.rad2deg(np.angle(np.exp(1j * turn)))),
                  handedness=start.handedness * start.along)
        for value, offset, turn, start in rows
    )  # fmt: skip


def _signs(
    course: VesselCourse, course_maps: LandmarkMaps, frame_maps: LandmarkMaps, place_mm: Float[np.ndarray, " g"],
    ostium: float, *, doubtful: bool,
) -> dict[str, float]:  # fmt: skip
    beyond = np.maximum(-place_mm, 0.0) + np.maximum(place_mm - course.given_mm, 0.0)
    return {
        "outside": float((beyond > 0.0).mean()),
        "outside_given_mm": float(beyond.max()),
        "ostium": float(min(ostium, 6.0)),
        "hidden": float(1.0 - frame_maps.valid.mean()),
        "contrast_hu": float(np.median(course.blood_hu)),
        "gating_doubtful": float(doubtful),
        "branches_seen": float(len(landmark_list(frame_maps, frame_maps.place_mm))),
        "branches_in_ct": float(len(landmark_list(course_maps, course_maps.place_mm))),
    }
