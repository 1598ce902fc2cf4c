"""Bones hold the place where no contrast does: how a picture lies against an earlier one of the same view.

Both are native pictures, or what a subtracted frame carries of the one it was made from. They are compared in a band of
spatial frequencies that bones fill, with the local contrast made even, so that neither exposure control nor contrast
medium decides. The vessels of the earlier picture and the most different tenth of the pixels (wires, the injected
bolus, a hand) take no part in the verdict.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32

from engines.angiography.contrast import log_picture
from engines.angiography.frame import Frame
from engines.angiography.native_picture import NativePicture, native_picture

_FINE_SIGMA_PX, _COARSE_SIGMA_PX, _EVEN_SIGMA_PX = 0.8, 5.0, 9.0
_CLIP = 2.5  # of the local spread; metal must not outweigh bone
_EDGE_PX = 5
_VESSEL_MARGIN_PX = 3
_LEAST_INSIDE = 0.12  # of the small picture's area; less open field tells no shift
_LEAST_SPREAD = 0.004  # log units of the band; below it a picture shows no structure but noise
_LEFT_OUT = 0.1  # of the pixels, the most different ones
_STEPS, _EPSILON = 15, 1e-3
_LARGEST_TURN_RAD = math.radians(20.0)
_DARKER_SIGMAS = 3.0  # of what differs beside the vessels; darker pixels hold contrast that the anchor's do not
_DARKER_SHARE = 0.4  # of what is taken for vessel; a head's bones without contrast reach 0.32, filled vessels 0.5
_LEAST_COMPARED = 20  # pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class InPlaneMove:
    """How the anatomy lies in a picture, against the anchor's.

    Args:
        shift_px: (columns, rows) by which the middle of the picture has moved, in pixels of the frame.
        turn_rad: about the middle of the picture, from the column axis towards the row axis, in mm.
        agreement: correlation of both pictures after the move, -1 to 1; 0 where the pictures cannot be compared.
    """

    shift_px: tuple[float, float]
    turn_rad: float
    agreement: float

    @property
    def length_px(self) -> float:
        """Of the shift."""
        return math.hypot(*self.shift_px)

    def moved_px(self, points_px: np.ndarray, shape_px: tuple[int, int]) -> np.ndarray:
        """Where points (n, 2) of the anchor's picture lie in the compared one."""
        middle = 0.5 * (np.array(shape_px[::-1], dtype=np.float64) - 1.0)
        cos, sin = math.cos(self.turn_rad), math.sin(self.turn_rad)
        return (points_px - middle) @ np.array([[cos, sin], [-sin, cos]]) + middle + self.shift_px


NOWHERE = InPlaneMove(shift_px=(0.0, 0.0), turn_rad=0.0, agreement=0.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Compared:
    """The frame compared last, as a small picture, and the answer."""

    frame: Frame
    logs: Float32[np.ndarray, "r c"]
    inside: Bool[np.ndarray, "r c"]
    move: InPlaneMove


class AnatomyAnchor:
    """The picture that a pose was confirmed on, kept to be compared with later ones.

    Made by `anchor_of`. Comparing costs 2 to 5 ms; the last answer is where the next search begins.
    """

    def __init__(
        self,
        band: Float32[np.ndarray, "r c"],
        inside: Bool[np.ndarray, "r c"],
        logs: Float32[np.ndarray, "r c"],
        shape: tuple[int, int],
    ) -> None:
        self._band = band
        self._inside = inside
        self._logs = logs
        self._newest: _Compared | None = None
        self._shape_px = shape
        self._weight = _soft(inside)
        self._last = np.eye(2, 3, dtype=np.float32)

    def compare(self, frame: Frame, field: Bool[np.ndarray, "rows columns"] | None = None) -> InPlaneMove:
        """Where the anchor's anatomy lies in this picture; `NOWHERE` where it is of another size or shows nothing."""
        if frame.shape_px != self._shape_px:
            return NOWHERE
        if self._newest is not None and self._newest.frame is frame:
            return self._newest.move
        self._newest = None
        band, inside, logs = _prepared(frame, field)
        if band is None or band.shape != self._band.shape:
            return NOWHERE
        starts = [self._last, np.eye(2, 3, dtype=np.float32), self._by_phase(band, inside)]
        scored = [(self._agreement(band, inside, start), number) for number, start in enumerate(starts)]
        _, best = max(scored)
        move = self._refined(band, inside, starts[best])
        agreement = self._agreement(band, inside, move)
        if agreement < scored[best][0]:
            move, agreement = starts[best], scored[best][0]
        self._last = move
        found = self._in_frame(move, agreement)
        self._newest = _Compared(frame=frame, logs=logs, inside=inside, move=found)
        return found

    def shows_new_contrast(self, frame: Frame, vessel: Bool[np.ndarray, "rows columns"]) -> bool | None:
        """Whether what is taken for vessel in the frame compared last is darker than the same place was in the anchor.

        A network may take bones for vessels; where nothing has become darker, no contrast has come. None where that
        cannot be told: another frame, or vessels only where the anchor had its own.
        """
        if self._newest is None or self._newest.frame is not frame:
            return None
        logs, inside = self._newest.logs, self._newest.inside
        size = self._band.shape[::-1]
        mask = cv2.resize(vessel.astype(np.uint8), size, interpolation=cv2.INTER_AREA)
        linear, nearest = (kind | cv2.WARP_INVERSE_MAP for kind in (cv2.INTER_LINEAR, cv2.INTER_NEAREST))
        now = cv2.warpAffine(logs, self._last, size, flags=linear)
        there = cv2.warpAffine(mask, self._last, size, flags=nearest) > 0
        both = self._inside & (cv2.warpAffine(inside.astype(np.uint8), self._last, size, flags=nearest) > 0)
        beside, within = both & ~there, both & there
        if within.sum() < max(_LEAST_COMPARED, 0.3 * there.sum()) or beside.sum() < _LEAST_COMPARED:
            return None
        # Exposure control changes the picture slowly from place to place; contrast does so within a vessel's width.
        darker = self._logs - now
        darker -= cv2.GaussianBlur(darker, (0, 0), _EVEN_SIGMA_PX)
        middle = float(np.median(darker[beside]))
        spread = 1.4826 * float(np.median(np.abs(darker[beside] - middle)))
        return float((darker[within] - middle > _DARKER_SIGMAS * spread).mean()) >= _DARKER_SHARE

    def _by_phase(self, band: np.ndarray, inside: np.ndarray) -> Float32[np.ndarray, "2 3"]:
        (dx, dy), _ = cv2.phaseCorrelate(self._band * self._weight, band * _soft(inside))
        move = np.eye(2, 3, dtype=np.float32)
        if math.isfinite(dx) and math.isfinite(dy):
            move[:, 2] = dx, dy
        return move

    def _refined(self, band: np.ndarray, inside: np.ndarray, start: np.ndarray) -> Float32[np.ndarray, "2 3"]:
        """`start` and the answer map the anchor's small pixels to the picture's."""
        stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, _STEPS, _EPSILON)
        try:
            _, move = cv2.findTransformECC(
                self._band, band, start.astype(np.float32), cv2.MOTION_EUCLIDEAN, stop, inside.astype(np.uint8), 1
            )
        except cv2.error:  # no overlap, or nothing to climb
            return start
        turn = math.atan2(float(move[1, 0]), float(move[0, 0]))
        return np.asarray(move, dtype=np.float32) if abs(turn) < _LARGEST_TURN_RAD else start

    def _agreement(self, band: np.ndarray, inside: np.ndarray, move: np.ndarray) -> float:
        size = self._band.shape[::-1]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        back = cv2.warpAffine(band, move, size, flags=flags)
        seen = cv2.warpAffine(inside.astype(np.uint8), move, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
        both = self._inside & (seen > 0)
        if both.mean() < _LEAST_INSIDE:
            return 0.0
        here, there = self._band[both], back[both]
        alike = np.abs(here - there)
        keep = alike <= np.quantile(alike, 1.0 - _LEFT_OUT)
        here, there = here[keep] - here[keep].mean(), there[keep] - there[keep].mean()
        size_of = float(np.sqrt((here @ here) * (there @ there)))
        return float(here @ there) / size_of if size_of > 0 else 0.0

    def _in_frame(self, move: np.ndarray, agreement: float) -> InPlaneMove:
        scale = np.array(self._shape_px[::-1]) / np.array(self._band.shape[::-1])
        middle = 0.5 * (np.array(self._band.shape[::-1], dtype=np.float64) - 1.0)
        shift = (move[:, :2] @ middle + move[:, 2] - middle) * scale
        turn = math.atan2(float(move[1, 0]), float(move[0, 0]))
        return InPlaneMove(shift_px=(float(shift[0]), float(shift[1])), turn_rad=turn, agreement=agreement)


def anchor_of(
    frame: Frame,
    field: Bool[np.ndarray, "rows columns"] | None = None,
    vessel: Bool[np.ndarray, "rows columns"] | None = None,
) -> AnatomyAnchor | None:
    """Keep this picture; None where only a subtracted one is known, or where it shows no bone.

    Args:
        field: the open field of the collimator.
        vessel: where contrast was seen; it will be gone.
    """
    band, inside, logs = _prepared(frame, field)
    if band is None:
        return None
    if vessel is not None:
        filled = cv2.resize(vessel.astype(np.uint8), band.shape[::-1], interpolation=cv2.INTER_AREA)
        side = 2 * _VESSEL_MARGIN_PX + 1
        grown = cv2.dilate((filled > 0).astype(np.uint8), np.ones((side, side), np.uint8))
        inside = inside & (grown == 0)
    return AnatomyAnchor(band, inside, logs, frame.shape_px) if inside.mean() >= _LEAST_INSIDE else None


def _prepared(
    frame: Frame, field: Bool[np.ndarray, "rows columns"] | None
) -> tuple[Float32[np.ndarray, "r c"] | None, Bool[np.ndarray, "r c"], Float32[np.ndarray, "r c"]]:
    """The even band of the small picture, where it counts, and the picture; no band where there is nothing to see."""
    native = _native(frame)
    if native is None:
        return None, np.zeros((1, 1), dtype=bool), np.zeros((1, 1), dtype=np.float32)
    size = native.pixels.shape[1], native.pixels.shape[0]
    logs = log_picture(
        Frame(
            pixels=native.pixels, kind="fluoro", bits_stored=native.bits_stored, vessels_bright=native.vessels_bright
        ),
        log_intensity=False,
    )
    opened = np.ones(logs.shape, np.uint8)
    if field is not None:
        opened = cv2.resize(field.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    side = 2 * _EDGE_PX + 1
    inside = cv2.erode(opened, np.ones((side, side), np.uint8), borderValue=0).astype(bool)
    if inside.mean() < _LEAST_INSIDE:
        return None, inside, logs
    band = cv2.GaussianBlur(logs, (0, 0), _FINE_SIGMA_PX) - cv2.GaussianBlur(logs, (0, 0), _COARSE_SIGMA_PX)
    if float(band[inside].std()) < _LEAST_SPREAD:
        return None, inside, logs
    spread = np.sqrt(cv2.GaussianBlur(band * band, (0, 0), _EVEN_SIGMA_PX) + _LEAST_SPREAD**2)
    return np.clip(band / spread, -_CLIP, _CLIP).astype(np.float32), inside, logs


def _native(frame: Frame) -> NativePicture | None:
    if frame.kind == "dsa":
        return frame.native
    # Small first: the logarithm of every pixel would cost more than all the rest.
    return native_picture(
        frame.pixels, bits_stored=frame.bits_stored, vessels_bright=frame.vessels_bright, geometry=frame.geometry
    )


def _soft(inside: Bool[np.ndarray, "r c"]) -> Float32[np.ndarray, "r c"]:
    return cv2.GaussianBlur(inside.astype(np.float32), (0, 0), _EDGE_PX / 2)
