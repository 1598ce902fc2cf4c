"""What in a perfusion study may not be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engines.cmr.perfusion.segments import SegmentPerfusion
from engines.cmr.perfusion.slice_perfusion import SlicePerfusion

_LEAST_CONTRAST = 6.0  # rise of the pool over the noise of a pixel
_NOISY = 0.08  # standard error of the middle segment over its upslope: a loss of a fifth is then hardly seen
_MOST_EXCLUDED = 0.15
_WORST_ROUGHNESS = 0.9  # of what it was: no correction helped a restless series
_RESTLESS_MM = 2.5
_FAR_MM = 14.0
_DOUBTFUL_WALL = 0.5


def study_flags(
    slices: Sequence[SlicePerfusion],
    rest: Sequence[SlicePerfusion],
    stress_table: Mapping[int, SegmentPerfusion],
    rest_table: Mapping[int, SegmentPerfusion] | None,
) -> tuple[str, ...]:
    """MOTION_LEFT, AIF_SATURATED, LOW_SNR, DARK_RIM, WALL_DOUBTFUL, STRESS_REST_DOUBTFUL, FIRST_PASS_CUT."""
    flags = []
    for part in slices:
        moved = np.linalg.norm(part.motion.shift_px * part.part.pixel_mm[:, None], axis=0)
        left = part.motion.roughness_after > _WORST_ROUGHNESS * part.motion.roughness_before
        if (
            len(part.motion.excluded) > _MOST_EXCLUDED * part.part.frames.shape[2]
            or (left and float(np.percentile(moved, 90)) > _RESTLESS_MM)
            or float(moved.max()) > _FAR_MM
        ):
            flags.append("MOTION_LEFT")
        if part.pool.saturated:
            flags.append("AIF_SATURATED")
        if part.pool.contrast_to_noise < _LEAST_CONTRAST:
            flags.append("LOW_SNR")
        if part.dark_rim:
            flags.append("DARK_RIM")
        if not part.wall.given and part.wall.doubt > _DOUBTFUL_WALL:
            flags.append("WALL_DOUBTFUL")
        if part.window()[1] >= part.part.frames.shape[2]:
            flags.append("FIRST_PASS_CUT")
    errors = [
        one.sigma / one.relative_upslope
        for one in stress_table.values()
        if one.sigma is not None and one.relative_upslope is not None and one.relative_upslope > 0
    ]
    if errors and float(np.median(errors)) > _NOISY:
        flags.append("LOW_SNR")
    if rest and rest_table is not None:
        pairs = [
            (stress_table[k].relative_upslope, rest_table[k].relative_upslope)
            for k in range(1, 17)
            if stress_table[k].relative_upslope is not None and rest_table[k].relative_upslope is not None
        ]
        # Hyperaemia lifts healthy wall two- to threefold: even the better half must lie above rest.
        if (
            pairs
            and float(np.percentile([a / max(b, 1e-9) for a, b in pairs if a is not None and b is not None], 75)) < 1.0
        ):
            flags.append("STRESS_REST_DOUBTFUL")
    return tuple(dict.fromkeys(flags))
