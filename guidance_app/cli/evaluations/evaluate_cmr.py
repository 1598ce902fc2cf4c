"""`evaluate cmr`: the CT-CMR fusion on simulated patients that nothing was tuned on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

_ROWS = (
    ("axis_deg", "long axis, degrees"),
    ("axis_axial_deg", "axis on the axial plane, degrees"),
    ("axis_coronal_deg", "axis on the coronal plane, degrees"),
    ("roll_deg", "roll, degrees"),
    ("roundness", "roundness of sections (AR)"),
    ("roundness_of_true_axis", "the same across the true axis"),
    ("mitral_mm", "mitral centre, mm"),
    ("apex_mm", "apex, mm"),
    ("dice_true_rigid", "wall Dice, true rigid move"),
    ("dice_reoriented", "wall Dice, reoriented"),
    ("dice_registered", "wall Dice, registered"),
    ("dice_true_warp", "wall Dice, true warp"),
    ("folding_share", "folding, share"),
    ("transport_level_mm", "carried wall: along the axis, mm"),
    ("transport_around_mm", "carried wall: around, mm"),
    ("transport_depth", "carried wall: depth, share"),
    ("cmr_wall_dice", "CMR wall Dice against truth"),
    ("motion_error_mm", "motion error, mm"),
    ("segment_noise", "scatter of segments about truth"),
    ("segment_r", "segment upslope r, hearts with a defect"),
    ("voxel_r", "voxel upslope r, hearts with a defect"),
    ("flow_r", "blood flow of segments r, hearts with a defect"),
    ("flow_bias", "blood flow over the true one"),
    ("flow_error", "blood flow error, ml/min/g"),
    ("territory_right", "segments with the right vessel"),
    ("aha_right", "the same by AHA default"),
    ("territory_called", "segments called one vessel's own"),
    ("territory_called_right", "right of these"),
    ("aha_called_right", "the same by AHA default"),
    ("territory_mass_right", "wall mass with the right vessel"),
    ("mass_error_g", "subtended mass error, g"),
    ("tight_stenoses_found", "stenoses >= 50 % found"),
    ("percent_error", "percent, error in points"),
    ("percent_within_10", "percent within 10 points"),
    ("verdicts_right", "verdicts right"),
    ("culprits_right", "culprit vessels exact"),
    ("flagged", "cases with a flag"),
    ("seconds", "seconds a case"),
)


def add_to(evaluate: typer.Typer) -> None:
    @evaluate.command("cmr")
    def cmr(
        cases: Annotated[
            Path, typer.Option("--cases", help="folder of simulated cases; missing ones are made there")
        ] = Path("out/cmr-cases"),
        test: Annotated[int, typer.Option(min=0, help="cases of seeds from 1000")] = 40,
        shift: Annotated[int, typer.Option(min=0, help="cases of seeds from 2000: other physics")] = 20,
        masks: Annotated[str, typer.Option(help="given, predicted or both")] = "both",
        skip: Annotated[int, typer.Option(min=0, help="leave out so many seeds at the beginning of each split")] = 0,
        arms: Annotated[
            str,
            typer.Option(
                help="arms to try in the same run: default, heart-network, wall-network, stn, sdn, ct-coronaries, ..."
            ),
        ] = "default",
        workers: Annotated[int, typer.Option(min=0, help="processes of this machine")] = 0,
        cluster: Annotated[str, typer.Option(help="address of a Dask scheduler")] = "",
        json_file: Annotated[Path | None, typer.Option("--json", help="write every figure here")] = None,
    ) -> None:
        """Axis, walls, perfusion, territories and verdicts against exact truth, with 95 % intervals."""
        from calibration.store import check_place_for, write_json
        from engines.evaluation.cmr.study import run_study

        if json_file is not None:
            check_place_for(json_file)
        found = run_study(
            cases,
            test=test,
            shift=shift,
            masks=masks,
            skip=skip,
            trials=tuple(word.strip() for word in arms.split(",")),
            workers=workers,
            cluster=cluster,
            say=lambda text: print(text, file=sys.stderr, flush=True),
        )
        if json_file is not None:
            write_json(json_file, json.loads(json.dumps(found)))
        for name, total in found["totals"].items():
            print(f"masks {name}: {total['cases']} cases")
            for key, words in _ROWS:
                print(f"  {words:42s} {_interval(total[key])}")
            invented = f"{total['invented_stenoses']}, {total['invented_tight']} of 50 % and more"
            print(f"  {'stenoses called where none is':42s} {invented}")
            print(f"  {'segment upslope r, all hearts pooled':42s} {total['pooled_segment_r'] or float('nan'):.3f}")
        for case, reason in found["failed"].items():
            print(f"failed: {case}: {reason}", file=sys.stderr)
        if found["failed"]:
            raise typer.Exit(1)


def _interval(figure: dict[str, Any]) -> str:
    if figure["value"] is None:
        return "-"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f}, n {figure['n']})"
