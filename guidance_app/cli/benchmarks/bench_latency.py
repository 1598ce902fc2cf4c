"""Commands `bench latency` and `bench soak`: how fast the live path is, and whether it stays steady for hours."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

from calibration.errors import InputError

if TYPE_CHECKING:
    from engines.anatomy.cases.case import Case
    from engines.inference.machine import Machine
    from guidance_app.live.benches.latency_bench import LatencyBench
    from guidance_app.live.latency import LatencyReport, Percentiles
    from guidance_app.live.session.session import LiveSession

    Show = Callable[[LiveSession, Case, float], object]

_CASE_HELP = "Case whose model is tracked and drawn: folder or bundled name."


def add_to(bench: typer.Typer) -> None:
    @bench.command()
    def latency(
        json_file: Path | None = typer.Option(None, "--json", help="Write latency.json here."),
        fps: float = typer.Option(15.0, help="Frames a second."),
        seconds: float = typer.Option(60.0, help="How long; with --compare, for each of the two."),
        size: int = typer.Option(512, help="Rows and columns of the pictures."),
        case: str = typer.Option("coronary", help=_CASE_HELP),
        backend: str = typer.Option("auto", help="Runtime of the network."),
        compare: tuple[str, str] | None = typer.Option(
            None,
            help="Compare two, each a BACKEND, a FOLDER of networks or FOLDER@BACKEND, in turns.",
        ),
        cold: float | None = typer.Option(
            None, help="Discard the pose and register from nothing again every so many seconds."
        ),
        busy: bool = typer.Option(
            False, "--busy", help="Record the run and show the 3-D view meanwhile, as on a full working day."
        ),
        follow: Path | None = typer.Option(None, help="Write how it stands into this file, a line every half second."),
        plot: Path | None = typer.Option(None, help="Draw the percentiles of every stage into this PNG."),
    ) -> None:
        """Ingest to paint and ingest to overlay of the live path, through the real window painted off screen."""
        from guidance_app.live.benches.latency_bench import LatencyBench, run_latency_bench

        _check_places(json_file, plot, follow)
        asked = LatencyBench(case=case, fps=fps, seconds=seconds, size_px=size, backend=backend, cold_every_s=cold)
        if compare is not None and busy:
            raise InputError("--busy with --compare: a comparison measures the live path alone; leave one of them out")
        if compare is not None:
            _compare(asked, compare, json_file, plot)
            return
        with _recorded(busy) as record, _window("Benchmark", space=busy) as show:
            report = run_latency_bench(replace(asked, record=record), show=show, follow=follow)
        _print_stages(_rows(report))
        print(
            f"{report.frames} frames: {report.painted} painted, {report.superseded} superseded, "
            f"{report.dropped} dropped; oldest overlay shown {report.max_overlay_age_ms or 0.0:.0f} ms"
        )
        if cold is not None:
            print(f"{report.cold_starts} registrations from nothing")
        if json_file is not None:
            report.write(json_file)
        if plot is not None:
            title = f"{report.source}, {fps:g} frames/s, {report.seconds:.0f} s, {report.frames} frames"
            _draw(plot, title, [(f"backend {backend}", _rows(report))], report.machine)

    @bench.command()
    def soak(
        minutes: float = typer.Option(20.0, help="How long."),
        fps: float | None = typer.Option(None, help="Frames a second; without it, as fast as the whole path can go."),
        size: int = typer.Option(512, help="Rows and columns of the pictures."),
        case: str = typer.Option("coronary", help=_CASE_HELP),
        backend: str = typer.Option("auto", help="Runtime of the network."),
        json_file: Path | None = typer.Option(None, "--json", help="Write the figures here."),
    ) -> None:
        """Play a recording for minutes or hours. Memory, threads and files must not grow, and no frame may be lost."""
        from calibration.store import write_json
        from guidance_app.live.benches.latency_bench import LatencyBench
        from guidance_app.live.benches.soak_bench import GROWTH_LIMIT, run_soak_bench

        _check_places(json_file)
        asked = LatencyBench(case=case, fps=fps or 15.0, seconds=60.0 * minutes, size_px=size, backend=backend)
        with _window("Soak") as show:
            report = run_soak_bench(asked, saturated=fps is None, show=show)
        for name in ("window_mib", "engine_mib", "threads", "files", "shared_memories", "processes"):
            size_of = getattr(report, name)
            print(f"{name:16s} warm {size_of.warm:8.1f}  last {size_of.last:8.1f}  growth {100 * size_of.share:+.1f} %")
        print(
            f"{report.frames} frames in {report.seconds:.0f} s: {report.painted} painted, "
            f"{report.superseded} superseded, {report.dropped} dropped, {report.engines_lost} engines lost"
        )
        if json_file is not None:
            write_json(json_file, report.model_dump(mode="json", by_alias=True))
        if not report.passed:
            print(f"something grew by {100 * GROWTH_LIMIT:.0f} % or more, or was lost")
            raise typer.Exit(1)


def _check_places(*places: Path | None) -> None:
    from calibration.store import check_place_for

    for place in places:
        if place is not None:
            check_place_for(place)


def _compare(asked: LatencyBench, arms: tuple[str, str], json_file: Path | None, plot: Path | None) -> None:
    from guidance_app.live.benches.latency_comparison import parse_arm, run_comparison

    first, second = (parse_arm(text, asked.backend) for text in arms)
    with _window("Comparison") as show:
        report = run_comparison(asked, (first, second), show, progress=lambda line: typer.echo(line, err=True))
    for letter, arm in zip("AB", report.arms, strict=True):
        print(f"{letter}: {arm.name}, {arm.engine}; {arm.frames} frames, {arm.painted} painted, {arm.dropped} dropped")
        _print_stages({**arm.stages_ms, "overlay_age": arm.overlay_age_ms, "jitter": arm.jitter_ms})
    print("medians, B over A: " + ", ".join(f"{name} {ratio:.2f}" for name, ratio in report.b_over_a.items()))
    if json_file is not None:
        report.write(json_file)
    if plot is not None:
        paced = f"{report.paced_fps:g} frames/s, {report.seconds_per_arm:.0f} s each"
        title = f"{report.source}, {paced}, in turns {report.turns}"
        rows = [
            (
                f"{letter}: {arm.name} ({arm.engine})",
                {**arm.stages_ms, "overlay_age": arm.overlay_age_ms, "jitter": arm.jitter_ms},
            )
            for letter, arm in zip("AB", report.arms, strict=True)
        ]
        _draw(plot, title, rows, report.machine)


@contextmanager
def _recorded(wanted: bool) -> Iterator[Path | None]:
    """A file to record into, which goes when the benchmark ends."""
    if not wanted:
        yield None
        return
    with TemporaryDirectory(prefix="guidance-bench-") as folder:
        yield Path(folder) / "run.mcap"


@contextmanager
def _window(title: str, *, space: bool = False) -> Iterator[Show]:
    """What shows a session: the real window, painted off screen; with its 3-D view where `space`."""
    from guidance_app.rooms.live.place import TICK_MS
    from guidance_app.window.application import application
    from guidance_app.window.run import run_window

    qt = application(headless=True)  # Qt's application lives only while somebody holds it

    def show(session: LiveSession, case: Case, limit_s: float) -> object:
        def ticked(duration_ms: float) -> None:
            session.latency.ticked(duration_ms, every_ms=TICK_MS, now_ms=time.monotonic_ns() / 1e6)

        return run_window(
            session, case=case, headless=True, duration_s=limit_s, title=title, ticked=ticked,
            opened=lambda window: window.live.toggle_space() if space else "",
        )  # fmt: skip

    yield show
    del qt


def _rows(report: LatencyReport) -> dict[str, Percentiles]:
    rows = {**report.stages_ms, "overlay_age": report.overlay_age_ms, "jitter": report.jitter_ms}
    of_window = {"tick": report.tick_ms, "tick_late": report.tick_late_ms}
    return {**rows, **{name: found for name, found in of_window.items() if found is not None}}


def _print_stages(stages: Mapping[str, Percentiles]) -> None:
    for name, stage in stages.items():
        if stage.count:
            print(
                f"{name:18s} p50 {stage.p50:7.1f}  p90 {stage.p90:7.1f}  p95 {stage.p95:7.1f}  "
                f"p99 {stage.p99:7.1f}  max {stage.max:7.1f} ms"
            )


def _draw(path: Path, title: str, arms: Sequence[tuple[str, Mapping[str, Percentiles]]], machine: Machine) -> None:
    from guidance_app.live.benches.latency_plot import write_plot

    versions = ", ".join(f"{name} {version}" for name, version in list(machine.versions.items())[-2:])
    write_plot(
        path, title, arms, f"{machine.cpu}, {machine.cores} cores; Python {machine.python}, {versions}; p50 / p95"
    )
