"""`evaluate cmr`: simulated patients of held-out seeds, with masks given and with masks predicted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calibration.errors import InputError
from calibration.store import make_folder
from engines.cmr.arms import DEFAULT, Arms
from engines.evaluation.cohort import Workplace, run_cohort
from engines.evaluation.statistics import median, share

SCHEMA = "guidance-app/evaluate-cmr/1"
FIRST_SEED = {"test": 1000, "shift": 2000}
TRIALS = {
    "default": DEFAULT,
    "edges": Arms(heart="edges"),
    "heart-network": Arms(heart="network"),
    "paths": Arms(wall="paths"),
    "wall-network": Arms(wall="network"),
    "stn": Arms(reorient="stn"),
    "sdn": Arms(nonrigid="sdn"),
    "no-motion": Arms(motion="none"),
    "ct-coronaries": DEFAULT,
}
WITHOUT_TREE = ("ct-coronaries",)
_MEDIANS = (
    "axis_deg",
    "axis_axial_deg",
    "axis_coronal_deg",
    "roll_deg",
    "mitral_mm",
    "apex_mm",
    "move_turn_deg",
    "dice_true_rigid",
    "dice_reoriented",
    "dice_registered",
    "cmr_wall_dice",
    "folding_share",
    "motion_error_mm",
    "motion_error_95_mm",
    "motion_true_95_mm",
    "segment_r",
    "segment_bias",
    "segment_noise",
    "voxel_r",
    "flow_r",
    "flow_bias",
    "flow_error",
    "roundness",
    "roundness_of_true_axis",
    "dice_true_warp",
    "transport_level_mm",
    "transport_around_mm",
    "transport_depth",
    "territory_right",
    "aha_right",
    "territory_called",
    "territory_called_right",
    "aha_called_right",
    "territory_mass_right",
    "seconds",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyTask:
    """One case, with each kind of masks in turn: a case is simulated on the way and must have one maker.

    Args:
        masks_given: True for given masks, False for predicted ones.
        trials: names of the arms to try, of `TRIALS`.
    """

    folder: str
    seed: int
    masks_given: tuple[bool, ...]
    trials: tuple[str, ...] = ("default",)


def study_tasks(
    cases: Path, *, test: int, shift: int, masks: str, skip: int = 0, trials: Sequence[str] = ("default",)
) -> list[StudyTask]:
    """Tasks on simulated cases of held-out seeds; cases that are not there yet are simulated on the way.

    Args:
        skip: seeds to leave out at the beginning of each split: those that rules were developed on.

    Raises:
        InputError: no cases, an unknown arm, or another kind of masks than given, predicted or both.
    """
    kinds = {"given": (True,), "predicted": (False,), "both": (True, False)}
    if masks not in kinds:
        raise InputError(f"--masks {masks}: choose given, predicted or both")
    if test < 0 or shift < 0 or test + shift == 0:
        raise InputError(f"--test {test} --shift {shift}: expected at least one case")
    if unknown := [name for name in trials if name not in TRIALS]:
        raise InputError(f"--arms {unknown[0]}: choose of {', '.join(TRIALS)}")
    seeds = [FIRST_SEED[split] + skip + k for split, count in (("test", test), ("shift", shift)) for k in range(count)]
    return [
        StudyTask(
            folder=str((cases / f"cmr-{seed}").resolve()), seed=seed, masks_given=kinds[masks], trials=tuple(trials)
        )
        for seed in seeds
    ]


def run_study(
    cases: Path,
    *,
    test: int = 40,
    shift: int = 20,
    masks: str = "both",
    skip: int = 0,
    trials: Sequence[str] = ("default",),
    workers: int = 0,
    cluster: str = "",
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Figures per case and in total.

    Raises:
        InputError: wrong options, a folder that cannot be written to, or no case that could be evaluated.
    """
    tell = say or (lambda _text: None)
    tasks = study_tasks(cases, test=test, shift=shift, masks=masks, skip=skip, trials=trials)
    make_folder(cases)
    listener = _Listener(tell, len(tasks))
    run_cohort(study_task, tasks, listener, Workplace(cluster=cluster, workers=workers))
    if not listener.rows:
        raise InputError(
            f"{cases}: no case could be evaluated; the first reason: {next(iter(listener.failures.values()), '?')}"
        )
    from engines.inference.machine import this_machine

    rows = sorted(listener.rows, key=lambda row: (row["masks"], row["split"], row["arms"], row["seed"]))
    return {
        "schema": SCHEMA,
        "machine": this_machine().model_dump(),
        "seed": min(task.seed for task in tasks),
        "data": "simulated CT-CMR patients (simulate cmr); no public set pairs CT and perfusion CMR",
        "cases": rows,
        "failed": listener.failures,
        "totals": {
            f"{kind} {split}" + ("" if name == "default" else f" {name}"): totals(chosen)
            for kind in ("given", "predicted")
            for split in ("test", "shift")
            for name in TRIALS
            if (chosen := [row for row in rows if (row["masks"], row["split"], row["arms"]) == (kind, split, name)])
        },
    }


def study_task(task: StudyTask, emit: Callable[[dict[str, Any]], None]) -> None:
    """On a worker: simulate if need be, fuse, compare."""
    from engines.evaluation.cmr.case_figures import evaluate_case
    from engines.simulation.cmr.case import simulate_cmr_case

    folder = Path(task.folder)
    if not (folder / "truth.json").exists():
        simulate_cmr_case(task.seed, folder)
    for given in task.masks_given:
        names = [
            name
            for name in task.trials
            # A network that finds what was given has nothing to do.
            if not given or name in ("default", *WITHOUT_TREE) or TRIALS[name].on_given_masks != DEFAULT.on_given_masks
        ]
        for name, figures in evaluate_case(
            folder, masks_given=given, trials=TRIALS, names=names, without_tree=WITHOUT_TREE
        ):
            emit(figures | {"arms": name})


def totals(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians with intervals, shares with Wilson's."""
    found: dict[str, Any] = {
        name: median(np.array([row[name] for row in rows if row.get(name) is not None], dtype=np.float64)).model_dump()
        for name in _MEDIANS
    }
    pooled = np.array([pair for row in rows for pair in _relative(row["segments"])], dtype=np.float64)
    found["pooled_segment_r"] = float(np.corrcoef(pooled[:, 0], pooled[:, 1])[0, 1]) if len(pooled) > 10 else None
    lesions = [lesion for row in rows for lesion in row["lesions"]]
    seen = [lesion for lesion in lesions if lesion["found_percent"] is not None]
    found |= {
        "tight_stenoses_found": _share(
            lesion["found_percent"] is not None for lesion in lesions if lesion["percent"] >= 50
        ),
        "percent_within_10": _share(abs(lesion["found_percent"] - lesion["percent"]) <= 10 for lesion in seen),
        "lesion_vessel_right": _share(lesion["vessel_right"] for lesion in seen),
        "verdicts_right": _share((lesion["verdict"] in ("matched", "shared")) == lesion["culprit"] for lesion in seen),
        "culprits_right": _share(row["culprits_right"] for row in rows),
        "mass_error_g": median(
            np.array([abs(one["found_mass_g"] - one["mass_g"]) for one in seen], dtype=np.float64)
        ).model_dump(),
        "flagged": _share(bool(row["flags"]) for row in rows),
        "cases": len(rows),
        "percent_error": median(
            np.array([abs(one["found_percent"] - one["percent"]) for one in seen], dtype=np.float64)
        ).model_dump(),
        "invented_stenoses": sum(row["invented"] for row in rows),
        "invented_tight": sum(row["invented_tight"] for row in rows),
        "cases_with_unmatched_defects": _share(row["unmatched_defects"] > 0 for row in rows),
    }
    return found


def _relative(pairs: list[list[float | None]]) -> list[tuple[float, float]]:
    """Segments against their own heart's mean, so that hearts can be pooled."""
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    if not known:
        return []
    first, second = (float(np.mean([pair[k] for pair in known])) for k in (0, 1))
    return [(a / first, b / second) for a, b in known]


def _share(values: Iterable[Any]) -> dict[str, Any]:
    listed = [bool(value) for value in values]
    return share(sum(listed), len(listed)).model_dump()


class _Listener:
    def __init__(self, tell: Callable[[str], None], count: int) -> None:
        self.tell, self.count, self.seen = tell, count, 0
        self.rows: list[dict[str, Any]] = []
        self.failures: dict[str, str] = {}

    def item(self, task: StudyTask, item: dict[str, Any]) -> None:
        del task
        self.rows.append(item)

    def finished(self, task: StudyTask) -> None:
        self._next(task, "done")

    def failed(self, task: StudyTask, reason: str) -> None:
        self.failures[str(task.seed)] = reason
        self._next(task, reason)

    def note(self, text: str) -> None:
        self.tell(text)

    def _next(self, task: StudyTask, text: str) -> None:
        self.seen += 1
        self.tell(f"{self.seen}/{self.count} seed {task.seed}: {text}")
