"""The imaging chain of a synthetic angiogram: beam, scatter, blur, noise, collimator, processing, storage."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float

from engines.simulation.angiograms import backgrounds
from engines.simulation.angiograms.picture_layers import PictureLayers


def expose(random: np.random.Generator, layers: PictureLayers) -> Float[np.ndarray, "size size"]:
    """Turn attenuation into display values: beam, detector and processing."""
    attenuation = layers.attenuation
    size = attenuation.shape[0]
    beam = np.exp(-np.clip(attenuation, -3, 4)).astype(np.float32)
    if random.random() < 0.5:  # scatter reduces contrast
        veil = random.uniform(0.1, 1.0)
        beam = (beam + veil * cv2.GaussianBlur(beam, (0, 0), size / 6)) / (1 + veil)
    beam = cv2.GaussianBlur(beam, (0, 0), layers.blur_px)
    beam /= np.median(beam)
    grain = min(layers.grain, 0.6 * float(np.std(attenuation)) + 0.01)
    noise = random.normal(0, grain, beam.shape).astype(np.float32)
    if random.random() < 0.6:
        noise = cv2.GaussianBlur(noise, (0, 0), random.uniform(0.3, 0.9)) * 1.3
    beam = beam + noise * np.sqrt(np.clip(beam, 0.05, 4))
    field = backgrounds.opening(random, size)
    if field is not None:
        soft = cv2.GaussianBlur(field.astype(np.float32), (0, 0), random.uniform(0.4, 2.5))
        beam = beam * soft + (1 - soft) * random.uniform(0, 0.25) * beam.min()
    picture = (
        np.log(np.clip(beam, 0.05, None))
        if random.random() < 0.5
        else np.sign(beam) * np.abs(beam) ** random.uniform(0.4, 1.3)
    )
    if random.random() < 0.4:  # edge enhancement with its halos
        blurred = cv2.GaussianBlur(picture, (0, 0), np.exp(random.uniform(np.log(1.0), np.log(14))))
        picture = picture + random.uniform(0.2, 1.5) * (picture - blurred)
    if random.random() < 0.2:
        backgrounds.burn_text(random, picture)
    return _stored(random, picture)


def expose_alike(random: np.random.Generator, layers: PictureLayers) -> Float[np.ndarray, "size size"]:
    """Expose every picture in the same way: a logarithmic detector without scatter, blades or processing."""
    beam = np.exp(-np.clip(layers.attenuation, -3, 4)).astype(np.float32)
    beam = cv2.GaussianBlur(beam, (0, 0), layers.blur_px)
    beam /= np.median(beam)
    noise = random.normal(0, layers.grain, beam.shape).astype(np.float32)
    picture = np.log(np.clip(beam + noise * np.sqrt(np.clip(beam, 0.05, 4)), 0.05, None))
    low, high = picture.min(), np.percentile(picture, 99.5) + 1e-6
    return np.round(np.clip((picture - low) / (high - low), 0, 1) * 255).astype(np.float32)


def _stored(random: np.random.Generator, picture: Float[np.ndarray, "size size"]) -> Float[np.ndarray, "size size"]:
    # Bright lung is often displayed white, without any detail.
    brightest = random.uniform(98, 100) if random.random() < 0.8 else random.uniform(80, 98)
    low, high = picture.min(), np.percentile(picture, brightest) + 1e-6
    stored = np.clip((picture - low) / (high - low), 0, 1) * random.uniform(90, 255)
    if random.random() < 0.2:
        quality = [int(cv2.IMWRITE_JPEG_QUALITY), int(random.integers(35, 95))]
        decoded = cv2.imdecode(cv2.imencode(".jpg", stored.astype(np.uint8), quality)[1], cv2.IMREAD_GRAYSCALE)
        stored = np.asarray(decoded)
    return np.round(stored).astype(np.float32)
