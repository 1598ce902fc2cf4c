"""Edits by hand written into a case: all of them or none, with the list of what was done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np

from engines.anatomy.cases.by_hand import HandEntry, read_by_hand, write_by_hand
from engines.anatomy.cases.case import Case
from engines.anatomy.cases.case_correction import write_model
from engines.anatomy.correcting.applying import edited
from engines.anatomy.correcting.edits import Edit
from engines.anatomy.surface import surface_from_labels
from engines.anatomy.vessel_model import VesselModel


def write_edited(
    case: Case, folder: Path, edits: Sequence[Edit], report: Callable[[str], None] = lambda _: None
) -> None:
    """Write the case as it was corrected into an empty folder; the case itself stays as it is.

    The surface is made anew where voxels came or went, so that what is registered and drawn is one model.

    Raises:
        InputError: an edit cannot be done, or the disk is full.
    """
    report("correcting the model")
    before = case.vessel_model()
    model, ct = before, cache(case.ct)
    entries = list(read_by_hand(case.folder))
    for edit in edits:
        found = edited(model, edit, ct)
        model = found.model
        when = datetime.now(UTC).isoformat(timespec="seconds")
        entries.append(HandEntry(when=when, words=found.words, edit=edit))
    model = _with_surface(model, before)
    report("writing the case")
    write_model(case, folder, model)
    write_by_hand(folder, entries)


def _with_surface(model: VesselModel, before: VesselModel) -> VesselModel:
    if model.labels is None or before.labels is None or before.surface is None:
        return model
    same = np.array_equal(model.labels.labels > 0, before.labels.labels > 0)
    return replace(model, surface=before.surface if same else surface_from_labels(model.labels))
