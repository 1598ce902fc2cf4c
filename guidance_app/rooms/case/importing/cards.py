"""Cards of scans, models and runs: what each says of itself."""

from __future__ import annotations

from pathlib import Path

from engines.anatomy.intake.found import FoundModel, FoundRun, FoundScan
from engines.anatomy.intake.proposal import against
from guidance_app.rooms.case.importing.choice_card import ChoiceCard
from guidance_app.views.language import tr

_MOST_NAMES = 5


def scan_card(scan: FoundScan, folder: Path, kind: str, *, extracted: bool) -> ChoiceCard:
    """A CT series, one phase of it, or a volume.

    Args:
        folder: that holds the pictures.
    """
    why_not = against(scan, kind, extracted=extracted)
    return ChoiceCard(
        scan.words, scan_facts(scan), why_not or scan.doubt, picture=_picture(folder, scan.picture),
        refused=bool(why_not),
    )  # fmt: skip


def scan_facts(scan: FoundScan) -> tuple[str, ...]:
    size = tr("{modality}, {slices} slices of {width} x {height}").format(
        modality=scan.modality, slices=scan.slices, width=scan.size_px[0], height=scan.size_px[1]
    )
    facts = [size if scan.size_px[0] else tr("{n} pictures").format(n=scan.slices)]
    if scan.spacing_mm is not None:
        a, b, c = scan.spacing_mm
        facts.append(f"{a:.2g} x {b:.2g} x {c:.2g} mm" + (f", {tr('with contrast')}" if scan.contrast else ""))
    if scan.phase_words:
        facts.append(tr("phase {words}").format(words=scan.phase_words))
    if scan.patient and scan.patient != "A":
        facts.append(tr("another patient ({letter})").format(letter=scan.patient))
    return tuple(facts)


def model_card(model: FoundModel) -> ChoiceCard:
    """Masks, labels, a surface or lines."""
    names = ", ".join(model.structures[:_MOST_NAMES])
    more = len(model.structures) - _MOST_NAMES
    names += tr(" and {n} more").format(n=more) if more > 0 else ""
    words = {
        "vessels": tr("labels: classes, surface and centerlines come from them"),
        "surface": tr("a surface without classes"),
        "centerlines": tr("lines without a surface"),
        "placement": tr("where surface and lines belong"),
    }
    return ChoiceCard(
        model.words, (names or words[model.role],), model.why_not or model.doubt, refused=bool(model.why_not),
        several=model.role == "placement",
    )  # fmt: skip


def run_card(run: FoundRun, folder: Path, patient: str) -> ChoiceCard:
    """An X-ray run with its contrast over time.

    Args:
        patient: of the scan, as `FoundScan.patient`; a run of another one says so first.
    """
    other = bool(run.patient and patient and run.patient != patient)
    doubt = "; ".join(filter(None, [tr("of another patient than the scan") if other else "", run_doubt(run)]))
    return ChoiceCard(
        run_title(run), run_facts(run), run.why_not or doubt, picture=_picture(folder, run.picture),
        refused=bool(run.why_not), curve=run.curve if len(run.curve) > 1 else (), at=run.fullest,
    )  # fmt: skip


def run_title(run: FoundRun) -> str:
    if run.lao_deg is None or run.cranial_deg is None:
        return run.words
    lao = f"{'LAO' if run.lao_deg >= 0 else 'RAO'} {abs(run.lao_deg):.0f}"
    cranial = f"{'CRA' if run.cranial_deg >= 0 else 'CAU'} {abs(run.cranial_deg):.0f}"
    return f"{lao}  {cranial}"


def run_facts(run: FoundRun) -> tuple[str, ...]:
    frames = tr("{n} frames").format(n=run.frames)
    if run.per_second:
        frames += tr(", {rate:.3g} a second").format(rate=run.per_second)
    kind = tr("subtracted (DSA)") if run.subtracted else tr("not subtracted")
    where = run.words if run.lao_deg is not None else ""
    return (frames, ", ".join(filter(None, [where, kind])))


def run_doubt(run: FoundRun) -> str:
    """What speaks against a run, with what to do where its geometry is missing."""
    if run.lao_deg is not None or run.why_not:
        return run.doubt
    way = tr("the picture can be seen, not guided; take the run as the C-arm wrote it, or start with --calibration")
    return f"{run.doubt}; {way}"


def _picture(folder: Path, name: str) -> Path | None:
    return folder / name if name else None
