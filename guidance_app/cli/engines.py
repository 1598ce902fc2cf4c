"""Command group `engines`: what executes the networks on this machine, built, listed and checked."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from engines.inference.model_files import ModelFiles

_AS_LIVE = "without it as many as the live path uses here."
_BUILD_BUDGET_S = 60.0  # somebody asked for it and waits: every candidate is measured


def add_to(app: typer.Typer) -> None:
    engines = typer.Typer(no_args_is_help=True, help="Inference engines for this machine.")
    app.add_typer(engines, name="engines")
    engines.command()(build)
    engines.command("list")(list_engines)
    engines.command()(verify)
    engines.command()(quantise)


def build(
    model: list[str] = typer.Option([], "--model", help="Only these networks; may be repeated."),
    threads: int | None = typer.Option(None, min=1, help=f"That one frame may use; {_AS_LIVE}"),
    models: Path | None = typer.Option(None, "--models", help="Folder of other weights, as `train` leaves it."),
    trial: str = typer.Option("", "--trial", help="tensorrt-rtx or tensorrt: only try builds; the first needs no GPU."),
    as_json: bool = typer.Option(False, "--json", help="Print the outcome as JSON."),
) -> None:
    """Build what this machine needs (TensorRT plans), and measure afresh which backend `auto` takes."""
    if trial:
        _try_builds(_networks(models, model), trial, as_json)
        return
    from engines.inference.backend import live_threads
    from engines.inference.probe import choose

    outcome: list[dict[str, Any]] = []
    for files in _networks(models, model):
        plans = _build_plans(files)
        typer.echo(f"{files.name}: measuring", err=True)
        choice = choose(files, threads=threads or live_threads(), refresh=True, budget_s=_BUILD_BUDGET_S)
        outcome.append(
            {"model": files.name, "plans": plans, **choice.model_dump(exclude={"schema_"}), "why": choice.why}
        )
        if not as_json:
            print(f"{files.name}: auto takes {choice.why}")
            for name, reason in choice.left_out.items():
                print(f"  {name} left out: {reason}")
    if as_json:
        print(json.dumps({"schema": "guidance-app/engines-build/1", "models": outcome}, indent=1))


def list_engines(
    threads: int | None = typer.Option(None, min=1, help=f"For which `auto` has measured; {_AS_LIVE}"),
    models: Path | None = typer.Option(None, "--models", help="Folder of other weights, as `train` leaves it."),
    as_json: bool = typer.Option(False, "--json", help="Print the list as JSON."),
) -> None:
    """Every network on every backend: what is there, its size and key, the measured time; measures nothing."""
    from engines.inference.backend import live_threads
    from engines.inference.inventory import inventory
    from engines.inference.model_files import BUNDLED_MODELS

    entries = inventory(models or BUNDLED_MODELS, threads=threads or live_threads())
    if as_json:
        print(json.dumps({"schema": "guidance-app/engines/1", "engines": [asdict(e) for e in entries]}, indent=1))
        return
    for entry in entries:
        size = "" if entry.bytes is None else f"{entry.bytes / 1e6:.1f} MB"
        time = "" if entry.best_ms is None else f"{entry.best_ms:.1f} ms"
        print(
            f"{'*' if entry.chosen else ' '} {entry.model:13s} {entry.backend:14s} {'ready' if entry.ready else '-':6s}"
            f"{size:>8s} {time:>9s}  {(entry.key or '')[:12]:12s}  {entry.reason}".rstrip()
        )
    measured = any(entry.chosen for entry in entries)
    print("* what auto takes" if measured else "auto has not measured yet; `guidance-app engines build` does")


def verify(
    pictures: int = typer.Option(16, min=1, help="Synthetic pictures that every backend is compared on."),
    models: Path | None = typer.Option(None, "--models", help="Folder of other weights, as `train` leaves it."),
    as_json: bool = typer.Option(False, "--json", help="Print the outcome as JSON."),
) -> None:
    """Check hashes, probabilities and Dice of every network on every backend; exit status 1 if one fails."""
    from engines.evaluation.benchmarks.engine_checks import check_engines
    from engines.inference.model_files import BUNDLED_MODELS

    folder = models or BUNDLED_MODELS
    checks = check_engines(folder, pictures=pictures, progress=lambda line: typer.echo(line, err=True))
    failed = [check for check in checks if check.status == "failed"]
    if as_json:
        content = {"schema": "guidance-app/engines-verify/1", "folder": str(folder), "pictures": pictures,
                   "passed": not failed, "checks": [asdict(check) for check in checks]}  # fmt: skip
        print(json.dumps(content, indent=1))
    else:
        for check in checks:
            figures = (
                "" if check.dice is None or check.dice_lost_points is None or check.largest_difference is None
                else f"largest difference {check.largest_difference:.4f}, Dice {100 * check.dice:.2f} % "
                f"(lost {check.dice_lost_points:+.2f})  "
            )  # fmt: skip
            print(f"{check.status:8s}{check.model:13s} {check.backend:14s} {figures}{check.reason}".rstrip())
    if failed:
        typer.echo(f"error: {len(failed)} of {len(checks)} engines failed", err=True)
        raise typer.Exit(1)


def quantise(
    folder: Path = typer.Argument(..., help="Model folder with manifest.json, as `train` leaves it."),
) -> None:
    """Add an 8-bit graph to every network of a folder, each held behind a Dice gate of half a point."""
    from engines.training.segmentation.quantise import quantise_folder

    gates = quantise_folder(folder, progress=lambda line: typer.echo(line, err=True))
    print(f"{folder}: 8-bit graphs of {', '.join(gates)} written and entered in manifest.json")


def _networks(folder: Path | None, wanted: list[str]) -> list[ModelFiles]:
    from calibration.errors import InputError
    from engines.inference.model_files import BUNDLED_MODELS, ModelFiles, read_manifest
    from engines.segmentation.scenes import nearest

    folder = folder or BUNDLED_MODELS
    records = read_manifest(folder).models
    for name in wanted:
        if name not in records:
            raise InputError(f"no model is called {name!r} in {folder.name}; {nearest(name, records)}")
    return [ModelFiles(name=name, folder=folder, record=records[name]) for name in wanted or records]


def _try_builds(networks: list[ModelFiles], flavour: str, as_json: bool) -> None:
    """Every network in every precision that ships: operators, sizes, seconds; nothing is kept."""
    from calibration.errors import InputError
    from engines.inference.machine import this_machine
    from engines.inference.tensorrt.tensorrt_builder import MODULES, PlanPrecision
    from engines.inference.tensorrt.tensorrt_trial import trial_build
    from engines.segmentation.scenes import nearest

    if flavour != "tensorrt" and flavour != "tensorrt-rtx":
        raise InputError(f"--trial {flavour}: no such library; {nearest(flavour, MODULES)}")
    builds = []
    for files in networks:
        precisions: tuple[PlanPrecision, ...] = ("f16", "int8") if files.has_int8 else ("f16",)
        for precision in precisions:
            typer.echo(f"{files.name}: trying {flavour} {precision}", err=True)
            build = trial_build(files, flavour, precision)
            builds.append(build)
            if not as_json:
                print(
                    f"{build.model:13s} {precision:5s} ONNX {build.onnx_bytes / 1e6:.1f} MB, "
                    f"plan {build.plan_bytes / 1e6:.1f} MB, built in {build.build_s:.1f} s"
                )
                refused = [row.operator for row in build.operators if not row.supported]
                print("  " + ", ".join(f"{row.operator} {row.count}" for row in build.operators))
                print(f"  refused by the parser: {', '.join(refused) or 'none'}")
    if as_json:
        content = {"schema": "guidance-app/engines-trial/1", "machine": this_machine().model_dump()}
        print(json.dumps({**content, "builds": [asdict(build) for build in builds]}, indent=1))


def _build_plans(files: ModelFiles) -> dict[str, str]:
    """TensorRT's, where this machine can use them; elsewhere the reason."""
    from engines.inference.runtimes import RUNTIMES, why_not

    said = {}
    for runtime in RUNTIMES.values():
        if runtime.library not in ("tensorrt", "tensorrt-rtx"):
            continue
        reason = why_not(runtime, files)
        if reason is not None:
            said[runtime.name] = reason
            continue
        from engines.inference.tensorrt.tensorrt_plans import ready_plan

        typer.echo(f"{files.name}: building for {runtime.name}, which can take minutes", err=True)
        plan = ready_plan(files, runtime.library)
        said[runtime.name] = f"{plan.path} ({len(plan.content) / 1e6:.1f} MB, {'found' if plan.found else 'built'})"
    return said
