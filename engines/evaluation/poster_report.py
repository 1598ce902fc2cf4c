"""The report of the correlation protocol."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from engines.evaluation.machine import this_machine
from engines.evaluation.poster_figures import PosterReport, compared, row_figures
from engines.evaluation.poster_protocol import PATIENTS, PosterTrial, Variant
from engines.evaluation.poster_rows import REFERENCE
from engines.registration.methods.cma_es import CmaEsOptions
from engines.registration.methods.descent import DescentOptions


def protocol_settings(variant: Variant, seed: int, descent: DescentOptions, evolution: CmaEsOptions) -> str:
    """What must be equal for finished trials to be taken over; rows and cases may come and go."""
    return json.dumps(
        {"variant": variant, "seed": seed, "descent": asdict(descent), "evolution": asdict(evolution)}, sort_keys=True
    )


def poster_report(trials: Sequence[PosterTrial], *, variant: Variant, seed: int, settings: str) -> PosterReport:
    """Figures of every row, and its gain over evolution alone where that was run."""
    rows = {name: [trial for trial in trials if trial.row == name] for name in dict.fromkeys(t.row for t in trials)}
    reference = rows.get(REFERENCE, [])
    return PosterReport(
        machine=this_machine(),
        seed=seed,
        variant=variant,
        data=(
            f"{PATIENTS} simulated patients (heads and chests in turn, frontal and lateral) of held-out seeds; "
            "pictures by the simulator's own integrator and physics, the moved CT by the slice renderer; "
            "no real picture"
        ),
        settings={key: json.dumps(value) for key, value in json.loads(settings).items()},
        reference=REFERENCE,
        rows={name: row_figures(found) for name, found in rows.items()},
        against_reference={
            name: compared(found, reference) for name, found in rows.items() if reference and name != REFERENCE
        },
        trials=list(trials),
    )
