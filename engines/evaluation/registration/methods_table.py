"""A table of registration methods side by side, for a results page."""

from __future__ import annotations

from collections.abc import Mapping

from engines.evaluation.registration.figures import SUCCESS_MM, Summary
from engines.evaluation.statistics import Interval

_LEAST_FOR_CAPTURE = 20  # starts; with fewer, bins hold too few starts for a capture range


def methods_table(methods: Mapping[str, Mapping[str, Summary]], *, start: str = "drawn") -> str:
    """A Markdown table, one row per method: shares in % with 95 % intervals, medians and 95th percentiles in mm.

    Columns without measurements are left out: mTRE and the second view exist only for pairs, capture ranges only for
    20 starts or more.

    Args:
        methods: summaries by method and kind of start.
        start: `drawn`, or `radiological` for the header's start.
    """
    rows = [(name, by_start[start]) for name, by_start in methods.items() if start in by_start]
    columns = [_columns(name, summary) for name, summary in rows]
    if not columns:
        return ""
    names = [name for name in columns[0] if any(column[name] != "-" for column in columns)]
    lines = [names, ["---"] * len(names), *([column[name] for name in names] for column in columns)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _columns(method: str, found: Summary) -> dict[str, str]:
    capture = found.capture_range if found.trials >= _LEAST_FOR_CAPTURE else None
    return {
        "method": method,
        "n": str(found.trials),
        "patients": str(found.success_over_cases["2mm"].n),
        "refused": str(found.failed) if found.failed else "-",
        **{f"within {limit:g} mm": _share(found.success[f"{limit:g}mm"]) for limit in SUCCESS_MM},
        "2 mm over patients": _span(found.success_over_cases["2mm"], 100.0, "{:.0f}"),
        "mPD": _pair(found.error_mm.value, found.error_p95_mm),
        "MPE": _pair(found.mpe_mm.value, found.mpe_p95_mm),
        "mTRE": _number(found.mtre_mm.value),
        "mPD, second view": _number(found.second_error_mm.value),
        "capture, mm": _number(capture and capture.mm, "{:.0f}"),
        "capture, px": _number(capture and capture.px, "{:.0f}"),
        "median below 5 px up to, px": _number(capture and capture.median_px, "{:.0f}"),
        "seconds": _number(found.seconds.value),
    }


def _share(found: Interval) -> str:
    return "-" if found.value is None else f"{100 * found.value:.0f} {_span(found, 100.0, '{:.0f}')}"


def _span(found: Interval, scale: float, form: str) -> str:
    if found.low is None or found.high is None:
        return "-"
    return f"({form.format(scale * found.low)}-{form.format(scale * found.high)})"


def _pair(middle: float | None, high: float | None) -> str:
    return "-" if middle is None else f"{_number(middle)} / {_number(high)}"


def _number(value: float | None, form: str = "{:.2f}") -> str:
    return "-" if value is None else form.format(value)
