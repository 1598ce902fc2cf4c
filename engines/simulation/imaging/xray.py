"""Turn line integrals into the grey values that a C-arm displays."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

# Three energy bins model a filtered 70-85 kV beam: fraction of detected photons, then attenuation.
# NIST XCOM; water and cortical bone (1.92 g/cm3) per mm, iodine per g/cm2 of iodine.
_BIN_WEIGHT = (0.34, 0.40, 0.26)  # 45, 60, 75 keV
_WATER_PER_MM = (0.0245, 0.0206, 0.0187)
_BONE_PER_MM = (0.0998, 0.0604, 0.0470)
_IODINE_CM2_PER_G = (16.4, 7.58, 4.15)

STEEL_IODINE_G_PER_CM3 = 1.25  # steel's attenuation at 60 keV (9.5 per cm), as iodine
HEADROOM = 0.04


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shadow:
    """The materials that the beam passes at each pixel."""

    water_mm: Float32[np.ndarray, "rows columns"]
    bone_mm: Float32[np.ndarray, "rows columns"]
    iodine_g_per_cm2: Float32[np.ndarray, "rows columns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """Exposure and display of one run.

    Args:
        photons: detected per pixel behind the typical patient (automatic exposure holds it).
        scatter_ratio: scattered over primary signal, typical.
        glare_px: reach of the scatter and veiling glare.
        blur_px: of scintillator and focal spot, standard deviation.
        electronic: noise in photons.
        flatten: share of the large-scale log signal that the display removes (0 for DSA).
        sharpen: edge enhancement of the display.
        contrast: grey values per unit of log signal.
        level: grey value of the typical patient.
        vignette: fraction of the signal lost in the corners.
    """

    photons: float
    scatter_ratio: float
    glare_px: float
    blur_px: float
    electronic: float
    flatten: float
    sharpen: float
    contrast: float
    level: float
    vignette: float


def typical_signal(shadow: Shadow, field_of_view: Bool[np.ndarray, "rows columns"]) -> float:
    """The signal that automatic exposure controls: in the middle of the open field, relative to the bare beam."""
    return float(np.median(_primary(shadow)[field_of_view]))


def expose(
    rng: np.random.Generator,
    shadow: Shadow,
    detector: Detector,
    *,
    typical: float,
    field_of_view: Bool[np.ndarray, "rows columns"],
) -> Float32[np.ndarray, "rows columns"]:
    """Log signal of a frame; 0 for the typical patient, and it grows with attenuation."""
    primary = _primary(shadow) / np.float32(typical)
    # Unattenuated beam beside the patient saturates the detector.
    primary = np.minimum(primary, np.float32(12.0)) * field_of_view
    scatter = detector.scatter_ratio * _wide_blur(primary, detector.glare_px)
    signal = (primary + scatter) * _vignette(primary.shape, detector.vignette)
    quanta = detector.photons * signal
    noise = np.sqrt(quanta + detector.electronic**2) * rng.standard_normal(quanta.shape, dtype=np.float32)
    detected = _blur(quanta + noise, detector.blur_px)
    floor = 0.02 * detector.photons
    return -np.log(np.maximum(detected, floor) / np.float32(detector.photons * (1.0 + detector.scatter_ratio)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tone:
    """The display curve of a run, set on its first frame, so that grey values are comparable over time."""

    background: Float32[np.ndarray, "rows columns"]
    detector: Detector
    field_of_view: Bool[np.ndarray, "rows columns"]

    @classmethod
    def of_first_frame(
        cls,
        log_signal: Float32[np.ndarray, "rows columns"],
        detector: Detector,
        field_of_view: Bool[np.ndarray, "rows columns"],
    ) -> Tone:
        weight = _wide_blur(field_of_view.astype(np.float32), 24.0)
        clipped = np.clip(log_signal, -2.5, 2.5)
        smooth = _wide_blur(clipped * field_of_view, 24.0) / np.maximum(weight, 1e-3)
        return cls(background=detector.flatten * smooth, detector=detector, field_of_view=field_of_view)

    def grey(
        self, log_signal: Float32[np.ndarray, "rows columns"], blade: Float32[np.ndarray, "rows columns"]
    ) -> UInt8[np.ndarray, "rows columns"]:
        """8-bit picture, vessels dark; `blade` is 0 behind the collimator, 1 in the open field."""
        flat = np.clip(log_signal, -2.5, 3.5) - self.background
        if self.detector.sharpen > 0:
            flat = flat + self.detector.sharpen * (flat - _blur(flat, 2.2))
        value = self.detector.level - self.detector.contrast * flat
        # A soft knee keeps detail in bright lung and bare beam instead of clipping them.
        value = np.where(value > 200.0, 200.0 + 50.0 * np.tanh((value - 200.0) / 50.0), value)
        value = np.where(value < 40.0, 40.0 - 36.0 * np.tanh((40.0 - value) / 36.0), value)
        shown = value * blade + 6.0 * (1.0 - blade)
        return np.clip(np.rint(shown), 0, 255).astype(np.uint8)


def _primary(shadow: Shadow) -> Float32[np.ndarray, "rows columns"]:
    total = np.zeros(shadow.water_mm.shape, dtype=np.float32)
    for weight, water, bone, iodine in zip(_BIN_WEIGHT, _WATER_PER_MM, _BONE_PER_MM, _IODINE_CM2_PER_G, strict=True):
        depth = water * shadow.water_mm + bone * shadow.bone_mm + iodine * shadow.iodine_g_per_cm2
        total += np.float32(weight) * np.exp(-depth.astype(np.float32))
    return total


def _blur(image: Float32[np.ndarray, "rows columns"], sigma_px: float) -> Float32[np.ndarray, "rows columns"]:
    return cv2.GaussianBlur(image.astype(np.float32), (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT)


def _wide_blur(image: Float32[np.ndarray, "rows columns"], sigma_px: float) -> Float32[np.ndarray, "rows columns"]:
    # So wide a blur can be computed at an eighth of the size without loss.
    rows, columns = image.shape
    small = cv2.resize(image.astype(np.float32), (columns // 8, rows // 8), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_px / 8.0, borderType=cv2.BORDER_REFLECT)
    return cv2.resize(small, (columns, rows), interpolation=cv2.INTER_LINEAR)


def _vignette(shape: tuple[int, ...], loss: float) -> Float32[np.ndarray, "rows columns"]:
    row, column = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    return (1.0 - 0.5 * loss * (row**2 + column**2)).astype(np.float32)
