"""Residuals in words, with a mark beside each figure: colour alone tells nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guidance_app.views import palette
from guidance_app.views.language import tr

if TYPE_CHECKING:
    from guidance_app.rooms.live.judging.judged_model import JudgedBranch, Judgement

GOOD_MM, POOR_MM = 1.5, 3.0  # a coronary's half width; what is called a wrong overlay

_MARKS = (("\u25cf", palette.VALID), ("\u25c6", palette.UNVERIFIED), ("\u25b2", palette.ALARM))


def mark_of(residual_mm: float | None) -> tuple[str, str]:
    """Sign and colour of a residual; a ring where there is none."""
    if residual_mm is None:
        return "\u25cb", palette.QUIET_TEXT
    return _MARKS[(residual_mm > GOOD_MM) + (residual_mm > POOR_MM)]


def millimetres(residual_mm: float) -> str:
    """Residuals are told to half a millimetre: a smaller one must not look exact."""
    return "<0.5 mm" if residual_mm < 0.5 else f"{residual_mm:.1f} mm"


def row_text(branch: JudgedBranch) -> str:
    sign, _ = mark_of(branch.residual.residual_mm)
    if branch.residual.residual_mm is None:
        return f"{sign}  {tr('not filled now')}  {branch.name}"
    return f"{sign}  {millimetres(branch.residual.residual_mm)}  {branch.name}"


def summary_text(judgement: Judgement) -> str:
    """What a person reads first: the middle of all, then the worst, and by how much of the model that is told."""
    if judgement.middle_mm is None or judgement.worst_mm is None:
        return tr("No branch is filled now: this picture cannot judge the pose.")
    told = [one.residual for one in judgement.branches if one.residual.residual_mm is not None]
    veins = sum(one.vessel_class == "vein" for one in told)
    arteries, others = len(told) - veins, len(judgement.branches) - len(told)
    if veins and not arteries:
        by = f"Judged by {veins} {_plural('vein', veins)} alone: no artery is filled now, and none can be judged."
    else:
        by = f"Judged by {arteries} {_plural('branch', arteries)}"
        by += f" and {veins} {_plural('vein', veins)}" if veins else ""
        by += f"; {others} not filled now: cannot be judged." if others else "."
    return f"Middle {millimetres(judgement.middle_mm)}, worst {millimetres(judgement.worst_mm)}.\n{by}"


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}{'es' if word.endswith('ch') else 's'}"
