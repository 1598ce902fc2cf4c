"""Command `register`: 2D/3D registration of one view, or of two jointly."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from calibration.errors import InputError
from guidance_app.cli.register_method import ChosenMethod, chosen_method, method_help, methods_epilog

if TYPE_CHECKING:
    from engines.anatomy.vessel_model import VesselModel
    from engines.registration.initial_pose import InitialPose
    from engines.registration.networks.matching_pictures import Region
    from engines.registration.registration import Registration
    from engines.registration.view import RegistrationView

_OTHER_MOMENTS = 3  # frames tried when the fullest one does not convince


def add_to(app: typer.Typer) -> None:
    @app.command(epilog=methods_epilog())
    def register(
        case: str = typer.Option(..., "--case", help="Case folder, or a bundled case: evt, tavi, coronary."),
        xa: list[Path] = typer.Option(
            ..., "--xa", help="Run to register to (XA or Enhanced XA); give it twice for two views jointly (biplane)."
        ),
        frame: list[str] = typer.Option(
            [], "--frame", help="Frame from 0, or minip; once, or once a view. Default: the one of fullest contrast."
        ),
        init: str = typer.Option(
            "radiological",
            "--init",
            help="Start: radiological (header geometry), network, matching (the model's projection moved onto the "
            "seen vessels; matching:LEFT,TOP,RIGHT,BOTTOM looks at that part alone), or a POSE.json file.",
        ),
        out: Path | None = typer.Option(None, "--out", help="Write the registration here (POSE.json)."),
        method: str = typer.Option("ours", "--method", help=method_help()),
        steps: int = typer.Option(
            0, "--steps", min=0, help="--method: iterations over all its stages; 0: its usual number."
        ),
        seed: int = typer.Option(0, "--seed", min=0, help="--method: of CMA-ES's draws; the others draw nothing."),
        models: Path | None = typer.Option(
            None, "--models", help="--method: folder of trained weights instead of the shipped ones."
        ),
        refine: bool | None = typer.Option(
            None,
            "--refine/--no-refine",
            help="Refine by ray casting too (seconds); with --no-refine centerlines alone decide. Default: rendering "
            "the parts that fill judges where the run shows its contrast.",
        ),
        deform: bool = typer.Option(
            True, "--deform/--rigid", help="Coronary, one view: fit the motion that an accepted pose leaves over, too."
        ),
        backend: str = typer.Option("auto", "--backend", help="Runtime of the segmentation network."),
        calibration: list[Path] = typer.Option(
            [], "--calibration", help="Correct angles or distortion by this file; one of each kind may be given."
        ),
        as_json: bool = typer.Option(False, "--json", help="Print the registration as JSON."),
    ) -> None:
        """Find where the patient lies: register a case's vessels to one view, or to two jointly (biplane).

        A poor match is a result, not an error: look at `status`. Research use only, not a medical device.
        """
        from engines.registration.pose_file import registration_content, write_registration

        _check_start(init)
        frames = _frames(frame, len(xa))
        chosen = chosen_method(method, steps, seed, models, views=len(xa), refine=refine)
        result = _register(
            case,
            xa,
            frames,
            init,
            chosen,
            refine=refine,
            deform=deform,
            backend=backend,
            calibration=calibration,
        )
        if out is not None:
            write_registration(out, result)
        if as_json:
            print(json.dumps(registration_content(result), indent=1, allow_nan=False))
        else:
            print(summary_line(result))
            for reason in result.reasons:
                print(f"  {reason}")


def summary_line(result: Registration) -> str:
    """One line for a person."""
    views = " + ".join(f"{v.file} {'minip' if v.frame < 0 else f'frame {v.frame}'}" for v in result.views)
    return (
        f"{result.status.upper()}: {result.case} on {views}: confidence {result.confidence:.2f}, expected error "
        f"{result.expected_error_mm:.1f} mm, along the beam +-{result.depth_sigma_mm:.0f} mm, "
        f"{result.elapsed_ms:.0f} ms. Research use only, not a medical device."
    )


def _register(
    case_name: str,
    runs: list[Path],
    frames: list[int | Literal["minip"] | None],
    init: str,
    chosen: ChosenMethod | None,
    *,
    refine: bool | None,
    deform: bool,
    backend: str,
    calibration: list[Path],
) -> Registration:
    from dataclasses import replace

    from engines.anatomy.cases.case import load_case
    from engines.angiography.calibrated_run import read_corrections
    from engines.registration.engine import register
    from engines.registration.motion.deform import with_motion
    from engines.registration.options import RegistrationOptions
    from engines.registration.run_view import other_views_of_run, view_of_run
    from engines.segmentation.segmenter import load_segmenter, model_for_kind

    corrections = read_corrections(calibration) if calibration else None
    case = load_case(case_name)
    segmenter = load_segmenter(model_for_kind(case.kind, case.field_of_view), backend=backend, threads=2)
    views = [
        view_of_run(path, segmenter, frame=frame, case_kind=case.kind, corrections=corrections)
        for path, frame in zip(runs, frames, strict=True)
    ]

    model = case.vessel_model()
    if chosen is not None:
        result = chosen.registered(views, runs, model, segmenter, lambda: _start(init, views, model), case, corrections)
        return replace(result, backend=replace(result.backend, inference=segmenter.backend))

    def registered(seen: list[RegistrationView]) -> Registration:
        found = register(
            seen,
            model,
            case_id=case.id,
            init=_start(init, seen, model),
            options=RegistrationOptions(refine_drr=bool(refine), judge_by_rendering=refine is not False),
        )
        # Heads and aortas hardly deform, and two views show the heart at two moments.
        moves = deform and case.kind == "coronary" and len(seen) == 1
        return with_motion(found, seen[0], model) if moves else found

    result = registered(views)
    if len(runs) == 1 and frames[0] is None and result.status != "accepted":
        others = other_views_of_run(
            runs[0], segmenter, case_kind=case.kind, than=views[0].frame, corrections=corrections
        )
        result = best_of_moments(result, (registered([view]) for view in itertools.islice(others, _OTHER_MOMENTS)))
    return replace(result, backend=replace(result.backend, inference=segmenter.backend))


def best_of_moments(first: Registration, others: Iterable[Registration]) -> Registration:
    """The first accepted one, else the most confident; says that other frames were tried, and adds up the time."""
    from dataclasses import replace

    best, elapsed_ms, tried = first, first.elapsed_ms, 1
    for other in others:
        tried, elapsed_ms = tried + 1, elapsed_ms + other.elapsed_ms
        if other.confidence > best.confidence:
            best = other
        if best.status == "accepted":
            break
    if tried == 1:
        return first
    return replace(best, elapsed_ms=elapsed_ms, reasons=(*best.reasons, f"best of {tried} frames of the run"))


def _check_start(init: str) -> None:
    needed = {"network": "pose", "matching": "affine"}.get(init.split(":")[0])
    if needed is not None:
        from engines.registration.networks.pose_list import shipped_weights

        weights = shipped_weights(needed)
        if not weights.is_file():
            raise InputError(f"--init {init}: {weights} is missing; use --init radiological, or install again")
        _region(init)
    elif init != "radiological" and not Path(init).is_file():
        raise InputError(
            f"--init {init}: no such file; give radiological, network, matching, or a POSE.json that exists"
        )


def _region(init: str) -> Region | None:
    from engines.registration.networks.matching_pictures import region_of_box

    if not init.startswith("matching:"):
        return None
    try:
        left, top, right, bottom = (float(part) for part in init.removeprefix("matching:").split(","))
    except ValueError:
        raise InputError(f"--init {init}: give four pixels, as in matching:100,80,400,420") from None
    return region_of_box(left, top, right, bottom)


def _start(init: str, views: list[RegistrationView], model: VesselModel) -> InitialPose:
    from engines.registration.initial_pose import radiological_start, start_from_file

    if init == "radiological":
        return radiological_start()
    if init.split(":")[0] == "matching":
        from engines.registration.initial_pose import start_near
        from engines.registration.methods.model_matching import ModelMatching
        from engines.registration.networks.pose_list import shipped_weights
        from engines.registration.networks.pose_weights import load_affine_network

        matching = ModelMatching(load_affine_network(shipped_weights("affine")), region=_region(init))
        return start_near(matching.register(views, model, radiological_start()).isocentre_from_lps, name="matching")
    if init != "network":
        return start_from_file(Path(init), views[0].geometry)
    from engines.registration.methods.method import start_pose
    from engines.registration.networks.network_start import network_start
    from engines.registration.networks.pose_list import shipped_weights
    from engines.registration.networks.pose_weights import load_pose_network

    net = load_pose_network(shipped_weights("pose"))
    return network_start(net, views, model, start_pose(radiological_start(), model))


def _frames(texts: list[str], views: int) -> list[int | Literal["minip"] | None]:
    if not 1 <= views <= 2:
        raise InputError(f"--xa: {views} runs were given; registration takes one view or two")
    if len(texts) > views:
        raise InputError(f"--frame: {len(texts)} frames were given for {views} runs; give one, or one a run")
    if not texts:
        return [None] * views
    return [_frame(text) for text in (texts if len(texts) == views else texts * views)]


def _frame(text: str) -> int | Literal["minip"]:
    if text.lower() == "minip":
        return "minip"
    if not text.strip().isdigit():
        raise InputError(f"--frame {text}: expected a number from 0, or minip")
    return int(text)
