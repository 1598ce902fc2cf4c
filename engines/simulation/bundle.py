"""Make the bundled cases again: `python -m engines.simulation.bundle [FOLDER]`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from engines.anatomy.cases.case import bundled_cases_folder
from engines.simulation.simulated_case import simulate_case

# Chosen by eye among seeds below 100; evaluation uses seeds from 1000 on.
SEEDS = {"evt": 2, "tavi": 1, "coronary": 2}


def make_bundled_cases(folder: Path) -> None:
    """Replace evt, tavi and coronary below `folder`."""
    for kind, seed in SEEDS.items():
        fresh = folder / f".new-{kind}"
        shutil.rmtree(fresh, ignore_errors=True)
        # Lossy as in most archives: three small cases are smaller than one lossless case.
        simulate_case(kind, seed, fresh, case_id=f"{kind}-demo", compression="jpeg2000-lossy")
        shutil.rmtree(folder / kind, ignore_errors=True)
        fresh.replace(folder / kind)
        print(f"{folder / kind}: seed {seed}")


if __name__ == "__main__":
    make_bundled_cases(Path(sys.argv[1]) if len(sys.argv) > 1 else bundled_cases_folder())
