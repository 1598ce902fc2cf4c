"""`bench fluoroscopy`: all stories on simulated patients, as figures."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from engines.inference.machine import Machine, this_machine
from guidance_app.live.benches.fluoroscopy.measure import Shown, shown_of
from guidance_app.live.benches.fluoroscopy.pictures import shots_of
from guidance_app.live.benches.fluoroscopy.stories import Story, longest_s, stories

WRONG_MM, TRUE_MM = 5.0, 2.5
_MEASURED_POINTS = 300

Told: TypeAlias = tuple[str, int, Story, list[Shown]]  # kind or view, seed, story, what was shown


class StoryFigures(BaseModel):
    """One story of one patient.

    Args:
        valid_share: of the frames without contrast.
        median_mm, p95_mm, worst_mm: true error of the valid frames.
        wrong_valid_s: longest time that a frame was valid and more than 5 mm off.
        moved_mm: how far off the pose would be in the end had it not followed.
        noticed_s: of a move that would put the pose more than 5 mm off: from that moment until the overlay was no
            longer valid or had followed to within 5 mm; None where there was no such move.
        false_alarm_share: of the frames on which the pose in use was within 2.5 mm and yet not valid.
        halo_share: of the valid frames, how often the true error lies within the stated one (a 1 sigma figure).
    """

    model_config = ConfigDict(frozen=True)
    kind: str
    seed: int
    story: str
    frames: int
    valid_share: float
    median_mm: float | None
    p95_mm: float | None
    worst_mm: float | None
    wrong_valid_s: float
    moved_mm: float
    noticed_s: float | None
    false_alarm_share: float
    halo_share: float | None


class FluoroscopyReport(BaseModel):
    """All stories; the totals are over their frames."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)
    schema_name: Literal["guidance-app/bench-fluoroscopy/1"] = Field(
        default="guidance-app/bench-fluoroscopy/1", alias="schema"
    )
    machine: Machine
    data: str
    fps: float
    seconds: float
    valid_share_long: float
    median_mm: float | None
    p95_mm: float | None
    wrong_valid_s: float
    noticed_s_median: float | None
    noticed_s_max: float | None
    false_alarm_share_long: float
    evidence_ms_p95: float | None
    stories: tuple[StoryFigures, ...]


def run_fluoroscopy_bench(
    kinds: Sequence[str],
    seeds: Sequence[int],
    *,
    fps: float = 7.5,
    seconds: float = 60.0,
    backend: str = "auto",
    only: str = "",
    phantom: Path | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> FluoroscopyReport:
    """Tell every story to every patient; the network, the tracker and the rules are those of live guidance.

    Args:
        seconds: of the long story.
        only: stories whose name contains this; "" for all.
        phantom: folder of the coronary phantom, told the moves of the table on its own pictures instead of patients.

    Raises:
        InputError: `phantom` is not the phantom's folder.
    """
    if phantom is not None:
        from guidance_app.live.benches.fluoroscopy.phantom import phantom_told

        told = phantom_told(phantom, fps=fps, seed=seeds[0], backend=backend, only=only)
        data = f"cines of {phantom.name}, slid; errors against its fitted reference; seed {seeds[0]}"
    else:
        told = _patients_told(kinds, seeds, fps, seconds, backend, only)
        data = f"simulated patients {', '.join(kinds)}, seeds {', '.join(map(str, seeds))}"
    figures: list[StoryFigures] = []
    valid_mm: list[float] = []
    evidence_ms: list[float] = []
    for kind, seed, story, shown in told:
        made = figures_of(kind, seed, story, shown, fps)
        figures.append(made)
        valid_mm += [each.error_mm for each in shown if each.valid and each.error_mm is not None]
        evidence_ms += [each.evidence_ms for each in shown if each.evidence_ms is not None]
        progress(_line(made))
    long = [each for each in figures if each.noticed_s is None and each.story.startswith(f"{seconds:g} s")]
    noticed = [each.noticed_s for each in figures if each.noticed_s is not None]
    return FluoroscopyReport(
        machine=this_machine(),
        data=data,
        fps=fps,
        seconds=seconds,
        valid_share_long=_mean([each.valid_share for each in long]),
        median_mm=_percentile(valid_mm, 50),
        p95_mm=_percentile(valid_mm, 95),
        wrong_valid_s=max((each.wrong_valid_s for each in figures), default=0.0),
        noticed_s_median=_percentile(noticed, 50),
        noticed_s_max=max(noticed, default=None),
        false_alarm_share_long=_mean([each.false_alarm_share for each in long]),
        evidence_ms_p95=_percentile(evidence_ms, 95),
        stories=tuple(figures),
    )


def _patients_told(
    kinds: Sequence[str], seeds: Sequence[int], fps: float, seconds: float, backend: str, only: str
) -> Iterator[Told]:
    for kind in kinds:
        for seed in seeds:
            for story, shown in _told(kind, seed, fps, seconds, backend, only):
                yield kind, seed, story, shown


def _told(
    kind: str, seed: int, fps: float, seconds: float, backend: str, only: str
) -> Iterator[tuple[Story, list[Shown]]]:
    """(story, what was shown), one after the other; each begins with a pipeline that remembers nothing."""
    from engines.anatomy.cases.case import load_case
    from engines.simulation.simulated_case import draw_case, simulate_case
    from guidance_app.live.engine.case_pipeline import make_case_pipeline

    patient, plans = draw_case(kind, seed)
    plan = plans[0]
    with tempfile.TemporaryDirectory(prefix="guidance-fluoroscopy-") as name:
        folder = simulate_case(kind, seed, Path(name) / "case", frames=4)
        model = load_case(folder).vessel_model()
        pivot = model.centroid_mm()
        assert model.centerlines is not None
        points = model.centerlines.points_mm()
        points = points[:: max(1, len(points) // _MEASURED_POINTS)]
        rng = np.random.default_rng([seed, 7])
        across = plan.geometry.camera_from_isocentre().rotation[:2]
        for number, story in enumerate(stories(rng, fps=fps, seconds=seconds, across=across)):
            if only in story.name:
                shots = shots_of(story, patient, plan, pivot_lps_mm=pivot, fps=fps, seed=seed * 100 + number)
                yield story, shown_of(make_case_pipeline(folder, backend), shots, points)


def figures_of(kind: str, seed: int, story: Story, shown: Sequence[Shown], fps: float) -> StoryFigures:
    """One line of the report."""
    errors = [each.error_mm for each in shown if each.valid and each.error_mm is not None]
    wrong = [each.valid and each.error_mm is not None and each.error_mm > WRONG_MM for each in shown]
    alarms = [not each.valid and each.left_mm <= TRUE_MM for each in shown]
    inside = [
        each.error_mm <= each.halo_mm
        for each in shown
        if each.valid and each.error_mm is not None and each.halo_mm is not None
    ]
    return StoryFigures(
        kind=kind,
        seed=seed,
        story=story.name,
        frames=len(shown),
        valid_share=_mean([each.valid for each in shown]),
        median_mm=_percentile(errors, 50),
        p95_mm=_percentile(errors, 95),
        worst_mm=max(errors, default=None),
        wrong_valid_s=round(longest_s(wrong, fps), 3),
        moved_mm=round(shown[-1].left_mm, 2),
        noticed_s=_noticed_s(story, shown, fps),
        false_alarm_share=_mean(alarms),
        halo_share=_mean(inside) if inside else None,
    )


def _noticed_s(story: Story, shown: Sequence[Shown], fps: float) -> float | None:
    if story.moves_at_s is None:
        return None
    begun = next((number for number, each in enumerate(shown) if each.left_mm > WRONG_MM), None)
    if begun is None:
        return None
    for number in range(begun, len(shown)):
        each = shown[number]
        if not each.valid or (each.error_mm is not None and each.error_mm <= WRONG_MM):
            return round((number - begun) / fps, 3)
    return round((len(shown) - begun) / fps, 3)


def _line(made: StoryFigures) -> str:
    error = "nothing valid" if made.median_mm is None else f"error {made.median_mm:.2f} mm, p95 {made.p95_mm:.2f}"
    noticed = "" if made.noticed_s is None else f", noticed after {made.noticed_s:.2f} s"
    return (
        f"{made.kind} {made.seed}: {made.story:34s} valid {100 * made.valid_share:5.1f} %, {error}, "
        f"wrong and valid {made.wrong_valid_s:.2f} s, moved {made.moved_mm:.1f} mm{noticed}"
    )


def _mean(values: Sequence[float | bool]) -> float:
    return round(float(np.mean(values)), 4) if len(values) else 0.0


def _percentile(values: Sequence[float], share: float) -> float | None:
    return round(float(np.percentile(values, share)), 3) if len(values) else None
