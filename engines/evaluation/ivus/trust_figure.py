"""Is the stated confidence true? Risk against coverage and reliability, as one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from engines.evaluation.ivus.study import IvusReport, IvusSummary

_COLOURS = {"test": "#1d4ed8", "shift": "#c2410c", "validation": "#15803d"}
_INK, _QUIET = "#1c2430", "#9aa3af"


def write_trust_figure(path: Path, report: IvusReport) -> None:
    """Draw our method on each split as PNG."""
    shown = {name.split("/")[0]: summary for name, summary in report.summaries.items() if name.endswith("frames/ours")}
    figure = Figure(figsize=(11.0, 4.8), dpi=120, facecolor="white")
    FigureCanvasAgg(figure)
    risk, reliability = figure.subplots(1, 2)
    for split, summary in shown.items():
        colour = _COLOURS.get(split, _INK)
        _risk(risk, split, summary, colour)
        _reliability(reliability, split, summary, colour)
    risk.axhline(2.0, color=_QUIET, linewidth=1.0, linestyle=":")
    risk.axvline(85.0, color=_QUIET, linewidth=1.0, linestyle=":")
    risk.set(xlim=(0, 101), ylim=(-0.5, None), xlabel="coverage: share of answers that are kept, %",
             ylabel="risk: wrong among the kept, %")  # fmt: skip
    risk.set_title("Most confident first; dots: what carries no flag", fontsize=10, loc="left")
    reliability.plot([0, 1], [0, 1], color=_QUIET, linewidth=1.0, linestyle=":")
    reliability.set(xlim=(0, 1.03), ylim=(0, 1.03), xlabel="stated confidence", ylabel="share that is right")
    reliability.set_title("Reliability; numbers are cases", fontsize=10, loc="left")
    for axes in (risk, reliability):
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=9)
    figure.tight_layout()
    figure.savefig(path, format="png")


def _risk(axes: Any, split: str, summary: IvusSummary, colour: str) -> None:
    rows = summary.risk_coverage
    axes.step([100 * row["coverage"] for row in rows], [100 * row["risk"] for row in rows], where="post", color=colour,
              label=f"{split}, {summary.cases} cases")  # fmt: skip
    right = summary.right_among_unflagged
    if right.value is not None:
        axes.plot([100 * right.n / summary.cases], [100 * (1.0 - right.value)], "o", color=colour)


def _reliability(axes: Any, split: str, summary: IvusSummary, colour: str) -> None:
    rows = summary.reliability
    axes.plot([row["stated"] for row in rows], [row["right"] for row in rows], "o-", color=colour, label=split)
    for row in rows:
        axes.annotate(f"{row['cases']:.0f}", (row["stated"], row["right"]), textcoords="offset points", xytext=(5, -11),
                      fontsize=8, color=colour)  # fmt: skip
