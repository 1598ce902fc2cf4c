"""Injections of contrast found while the pictures come, each from those before it alone.

What the whole run tells (`engines.angiography.contrast`) is known only at its end. Here each picture is compared, made
small, with the brightest values that its view showed lately; a picture that is much darker than its forerunners ever
were, in places and not as a whole, holds contrast.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float32

from engines.angiography.contrast import LOG_FLOOR, exposed_field
from engines.angiography.frame import Frame
from engines.angiography.pixel_shift import estimate_shift_px, shifted

_SIDE_PX = 128  # a bolus is visible on coarse pixels, in which quantum noise averages out
_FLOOR = 0.1  # of full scale; damps the noise of the darkest pixels
_REMEMBERED = 12  # pictures that tell how bright the view is without contrast: a heart beat at 15 a second
_BASE_EVERY = 6  # pictures; the brightest values change slowly, and looking for them costs most
_BRIGHT_SHARE = 0.9
_NOISE_SIGMAS = 3.0
_LEAST_AMOUNT = 8e-4  # log units; settling exposure and noise stay below it
_TIMES_EMPTY = 3.0  # an injection darkens a picture several times as much as heart and breath do
_LEAST_BEFORE = 3  # pictures of a view that must have been seen before anything can be said to have come
_LEAST_LEVELS = 2  # and that tell how much they differ from each other
_FILLED_RUN = 2  # successive pictures; a single dark one is a flash of the generator
_EMPTY_SHARE = 0.25  # of the fullest: washed out; between arteries and veins a head keeps a third and more
_FIRST_WAVE_SHARE = 0.9  # of the fullest: after it the veins may fill while the arteries empty
_SETTLED = 1.5  # relative to the noise of the present picture; the first pictures of a run have more
_MASK_FRAMES = 3
_LAG = 1  # the picture before the first filled one may hold the bolus's tip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Injection:
    """What an injection has shown so far.

    Args:
        first, last: frames of the source that held contrast.
        fullest: the frame with most of it.
        peak: the darkest value of each pixel over the injection (the brightest where vessels are bright); its
            `source_frame` is that of the fullest.
        first_wave: the same up to the first peak: arteries fill before veins.
        wave_end: the last frame of the first wave.
        mask: frames without contrast before it, oldest first; () where it was there from the first picture, and for
            subtracted pictures.
        over: it has washed out, or its run has ended.
    """

    first: int
    last: int
    fullest: Frame
    peak: Frame
    first_wave: Frame
    wave_end: int
    mask: tuple[Frame, ...]
    over: bool = False


class InjectionWatch:
    """Looks at one picture after the other; takes 1 to 4 ms for each.

    Attributes:
        count: injections so far; one that is played again counts once.
        injection: the last one, also while it goes on; None before the first.
        filled: the picture seen last holds contrast.
    """

    def __init__(self) -> None:
        self.count = 0
        self.injection: Injection | None = None
        self.filled = False
        self._counted: list[tuple[str, int, int]] = []  # source, first and last frame
        self._view: Frame | None = None
        self._begin_view(None)

    @property
    def unfilled(self) -> tuple[Frame, ...]:
        """The newest pictures of this view without contrast, oldest first; () for subtracted ones."""
        return () if self._view is None or self._view.kind == "dsa" else tuple(self._empty)[-_MASK_FRAMES:]

    def see(self, frame: Frame) -> None:
        before = self._view
        again = before is not None and frame.source_frame <= before.source_frame  # of a recording
        if before is None or again or not _same_view(before, frame):
            self._end()
            self._begin_view(frame)
        self._view = frame
        small = _small(frame)
        amount = self._amount(small, subtracted=frame.kind == "dsa")
        if self._fullest_amount == 0.0 and amount is not None and amount > self._threshold() and frame.kind != "dsa":
            amount = min(amount, self._amount_of_moved(small))
        if self._fullest_amount > 0.0:
            self._go_on(frame, amount)
        elif amount is not None and amount > self._threshold():
            self._rise(frame, amount)
        else:
            self._rising.clear()
            if amount is not None:
                self._levels.append(amount)
            self._empty.append(frame)
            self._remember(small)
        self.filled = self._fullest_amount > 0.0

    def _begin_view(self, frame: Frame | None) -> None:
        self._view = frame
        self._small: deque[Float32[np.ndarray, "r c"]] = deque(maxlen=_REMEMBERED)
        self._levels: deque[float] = deque(maxlen=_REMEMBERED)  # amounts of pictures without contrast
        self._empty: deque[Frame] = deque(maxlen=_MASK_FRAMES + _LAG)
        self._rising: list[tuple[Frame, float]] = []
        self._base: Float32[np.ndarray, "r c"] | None = None
        self._exposed: Bool[np.ndarray, "r c"] | None = None
        self._looked = 0
        self._fullest_amount = 0.0
        self._wave_over = False

    def _threshold(self) -> float:
        # Subtracted pictures without contrast are flat; of others it is not known at first how much they differ.
        if len(self._levels) < _LEAST_LEVELS and self._view is not None and self._view.kind != "dsa":
            return float("inf")
        if not self._levels:
            return _LEAST_AMOUNT
        surely = 1.0 + _LEAST_LEVELS / len(self._levels)  # of few pictures the median says little
        return max(_LEAST_AMOUNT, surely * _TIMES_EMPTY * float(np.median(self._levels)))

    def _amount(self, small: Float32[np.ndarray, "r c"], *, subtracted: bool) -> float | None:
        """Mean darkening against the view's bright values, above noise; None where too little is known of the view."""
        if not subtracted:
            noise = _noise(small)
            while self._small and _noise(self._small[0]) > _SETTLED * noise:
                self._small.popleft()
                self._base = None
            if len(self._small) < _LEAST_BEFORE:
                return None
            if self._base is None:
                rank = round(_BRIGHT_SHARE * (len(self._small) - 1))
                bright = np.partition(np.stack(self._small), rank, axis=0)[rank]
                self._base, self._exposed = bright, exposed_field(bright)
            return _above_noise((self._base - small)[self._exposed])
        return _above_noise(-small)

    def _amount_of_moved(self, small: Float32[np.ndarray, "r c"]) -> float:
        """The same after the picture was moved back: edges of a patient who moves are dark, too. Takes 5 to 15 ms."""
        assert self._base is not None
        back = estimate_shift_px(small, self._base, self._exposed)
        return _above_noise((self._base - shifted(small, back))[self._exposed])

    def _remember(self, small: Float32[np.ndarray, "r c"]) -> None:
        """Pictures with contrast are left out: an injection must not become its own background."""
        self._small.append(small)
        self._looked += 1
        if self._looked <= _BASE_EVERY or self._looked % _BASE_EVERY == 0:
            self._base = None  # to be looked for again

    def _rise(self, frame: Frame, amount: float) -> None:
        self._rising.append((frame, amount))
        if len(self._rising) < _FILLED_RUN:
            return
        (first, first_amount), *others = self._rising
        mask = () if frame.kind == "dsa" else tuple(self._empty)[: -_LAG or None][-_MASK_FRAMES:]
        self.injection = Injection(
            first=first.source_frame, last=first.source_frame, fullest=first, peak=first, first_wave=first,
            wave_end=first.source_frame, mask=mask,
        )  # fmt: skip
        self._fullest_amount, self._wave_over = first_amount, False
        self._rising.clear()
        self._count(first.source_id, self.injection)
        for later, later_amount in others:
            self._go_on(later, later_amount)

    def _go_on(self, frame: Frame, amount: float | None) -> None:
        injection = self.injection
        assert injection is not None
        if amount is None or amount < _EMPTY_SHARE * self._fullest_amount:
            self._end()
            return
        fuller = amount > self._fullest_amount
        self._wave_over = self._wave_over or amount < _FIRST_WAVE_SHARE * self._fullest_amount
        self._fullest_amount = max(amount, self._fullest_amount)
        wave = injection.first_wave if self._wave_over else _extreme(injection.first_wave, frame)
        fullest = frame if fuller and not self._wave_over else injection.fullest
        self.injection = replace(
            injection, last=frame.source_frame, fullest=fullest,
            peak=replace(_extreme(injection.peak, frame), source_frame=fullest.source_frame),
            first_wave=wave, wave_end=injection.wave_end if self._wave_over else frame.source_frame,
        )  # fmt: skip
        source, first, _ = self._counted[-1]
        self._counted[-1] = source, first, max(self._counted[-1][2], frame.source_frame)

    def _count(self, source_id: str, injection: Injection) -> None:
        for number, (source, first, last) in enumerate(self._counted):
            if source == source_id and first - _FILLED_RUN <= injection.first <= last:
                self._counted.append(self._counted.pop(number))
                return
        self.count += 1
        self._counted.append((source_id, injection.first, injection.last))

    def _end(self) -> None:
        if self._fullest_amount > 0.0 and self.injection is not None:
            self.injection = replace(self.injection, over=True)
        self._fullest_amount, self._wave_over = 0.0, False
        self._rising.clear()


def _same_view(one: Frame, other: Frame) -> bool:
    if one.source_id != other.source_id or one.kind != other.kind or one.shape_px != other.shape_px:
        return False
    if one.geometry is None or other.geometry is None:
        return one.geometry is other.geometry
    return other.geometry.continues(one.geometry)


def _extreme(one: Frame, other: Frame) -> Frame:
    choose = np.maximum if one.vessels_bright else np.minimum
    return replace(one, pixels=choose(one.pixels, other.pixels))


def _small(frame: Frame) -> Float32[np.ndarray, "r c"]:
    """Logarithm of the picture made small; small first, since the logarithm of every pixel would cost most."""
    rows, columns = frame.shape_px
    scale = min(1.0, _SIDE_PX / max(rows, columns))
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    share = cv2.resize(frame.pixels, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    share /= float((1 << frame.bits_stored) - 1)
    if frame.vessels_bright:
        share = 1.0 - share
    logs = share * -np.log(np.float32(LOG_FLOOR)) if frame.log_intensity else np.log(share + np.float32(_FLOOR))
    return logs - np.median(logs)  # exposure control brightens or darkens the whole picture


def _above_noise(darker: Float32[np.ndarray, ...]) -> float:
    darker = darker - np.median(darker)
    spread = 1.4826 * float(np.median(np.abs(darker)))
    return float(np.maximum(darker - _NOISE_SIGMAS * spread, 0.0).mean())


def _noise(small: Float32[np.ndarray, "r c"]) -> float:
    return float(np.median(np.abs(small - cv2.GaussianBlur(small, (0, 0), 1.0)))) + 1e-4
