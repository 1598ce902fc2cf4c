"""What is proposed of all that was found; a person decides."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engines.anatomy.extraction.extraction import too_coarse
from engines.anatomy.intake.found import FoundModel, FoundRun, FoundScan, Survey

# Words of headers and names of structures, most telling kind first.
_REGIONS = {
    "coronary": r"coronar|ccta|\bheart\b|cardiac|\blad\b|\brca\b|\blcx\b|calcium score",
    "evt": r"\bhead|brain|cerebr|cranial|skull|stroke|\bcow\b|willis|neuro|\bmca\b",
    "tavi": r"tavi|tavr|aort|chest|thora|abdom|iliac|femoral|\bevar\b|subclavia|brachiocephalic",
}
_NECK = r"\bneck|carotid|\bica\b"  # of a head, unless something tells the chest: carotids spring from the arch
_BEST_PERCENT = {"coronary": 75.0, "tavi": 35.0, "evt": 0.0}  # vessels stand still; the annulus is widest
_THINNEST_MM = 0.4  # thinner slices are no better


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """None where nothing suits; with a model of somebody else nothing is extracted."""

    scan: FoundScan | None
    models: tuple[FoundModel, ...]
    run: FoundRun | None


def guessed_kind(found: Survey) -> str:
    """evt, tavi or coronary by what headers and names say; "" where they say nothing, or two things."""
    texts = [
        *(f"{scan.region} {scan.words}" for scan in found.scans if not scan.why_not),
        *(run.region for run in found.runs),
        *(" ".join(model.structures) for model in found.models),
    ]
    text = re.sub(r"[_^-]+", " ", " ".join(texts).lower())
    told = [kind for kind, pattern in _REGIONS.items() if re.search(pattern, text)]
    if not told and re.search(_NECK, text):
        return "evt"
    # A heart's CT says "chest" too, and names the aorta.
    return told[0] if len(told) == 1 or told == ["coronary", "tavi"] else ""


def against(scan: FoundScan, kind: str, *, extracted: bool) -> str:
    """Why this scan does not suit the kind; "" where it does.

    Args:
        extracted: the vessels are to be found in it.
    """
    if scan.why_not or not extracted or not kind or scan.spacing_mm is None:
        return scan.why_not
    return too_coarse(max(scan.spacing_mm), kind)


def proposed(found: Survey, kind: str) -> Proposal:
    """The scan, the models and the run that suit best."""
    extracted = all(model.role == "placement" or model.why_not for model in found.models)
    scans = [scan for scan in found.scans if not against(scan, kind, extracted=extracted)]
    scan = max(scans, key=lambda one: _worth(one, kind), default=None)
    return Proposal(scan=scan, models=_models(found.models, scan), run=_run(found.runs, scan))


def _models(models: Sequence[FoundModel], scan: FoundScan | None) -> tuple[FoundModel, ...]:
    """Labels before a surface before lines, for labels tell classes; a placement belongs to the two last.

    Of several, the one that lies nearest to the scan is its own.
    """
    usable = [model for model in models if not model.why_not]
    for role in ("vessels", "surface", "centerlines"):
        own = [model for model in usable if model.role == role]
        # A table of points is often something else: it is offered, not proposed.
        own = [model for model in own if role != "centerlines" or model.path.suffix.lower() != ".csv"]
        if own:
            best = max(own, key=lambda model: (_nearness(model, scan), len(model.structures), not model.doubt))
            places = [model for model in usable if model.role == "placement"][:1] if role != "vessels" else []
            return (best, *places)
    return ()


def _nearness(model: FoundModel, scan: FoundScan | None) -> int:
    """How many folders the two paths share."""
    return 0 if scan is None else len(Path(os.path.commonpath([model.path, scan.path])).parts)


def _worth(scan: FoundScan, kind: str) -> tuple[float, ...]:
    spacing = scan.spacing_mm or (9.0, 9.0, 9.0)
    off = abs((scan.percent or 0.0) - _BEST_PERCENT.get(kind, 0.0)) if scan.percent is not None else 0.0
    doubts = scan.doubt.count(";") + bool(scan.doubt)
    return (scan.contrast, -doubts, -max(max(spacing), _THINNEST_MM), -off, scan.slices * spacing[2])


def _run(runs: Sequence[FoundRun], scan: FoundScan | None) -> FoundRun | None:
    """One of the same patient that shows contrast arriving, seen by a known geometry."""
    patient = scan.patient if scan is not None else ""
    usable = [run for run in runs if not run.why_not and (not patient or run.patient in ("", patient))]
    return max(
        usable, key=lambda run: (run.lao_deg is not None, run.rises, not run.subtracted, run.frames), default=None
    )
