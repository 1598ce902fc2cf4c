"""The rows of the protocol's table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from calibration.errors import InputError
from engines.evaluation.correlation.protocol_trials import Row
from engines.inference.model_files import BUNDLED_MODELS
from engines.registration.correlation.descent import DescentOptions
from engines.registration.correlation.learned_similarity import MEASURES, Similarity, measured_similarity
from engines.registration.correlation.similarity_weights import SIMILARITIES, load_similarity
from engines.registration.methods.cma_es import CmaEsOptions
from engines.registration.methods.correlation_driven import Course, with_evolution

REFERENCE = "cma-es"
# Without a descent, evolution itself must cover the starts: three of these sigmas reach all but the farthest.
_ALONE = {"sigma_rad": float(np.deg2rad(15.0)), "sigma_mm": 25.0, "sigma_depth_mm": 45.0}


def protocol_rows(
    names: list[str], *, folder: Path | None, descent: DescentOptions, evolution: CmaEsOptions
) -> list[Row]:
    """`initial`, `cma-es`, and similarities by name, each with and without `-cma-es`.

    Args:
        folder: folder of weights; None for those of the program.

    Raises:
        InputError: there is no such similarity, or it has no weights.
    """
    similarities: dict[str, Similarity] = {}
    rows = []
    for name in names:
        if name == "initial":
            rows.append(Row(name=name, course=None))
            continue
        if name == REFERENCE:
            rows.append(Row(name=name, course=Course(descent=None, evolution=replace(evolution, **_ALONE))))
            continue
        first = name.removesuffix("-cma-es")
        if first not in similarities:
            similarities[first] = _similarity(first, folder)
        course = Course(similarity=similarities[first], descent=descent)
        if first != name:
            course = with_evolution(course, evolution)
        rows.append(Row(name=name, course=course, weights=_fingerprint(first, folder)))
    if not rows:
        raise InputError("correlation-protocol: no rows; name at least one with --row")
    return rows


def _similarity(name: str, folder: Path | None) -> Similarity:
    return measured_similarity(name) if name in MEASURES else load_similarity(name, folder or BUNDLED_MODELS)


def _fingerprint(name: str, folder: Path | None) -> str:
    return "" if name in MEASURES else SIMILARITIES.read(folder or BUNDLED_MODELS)[name].sha256
