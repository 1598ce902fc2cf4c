"""Command group `evaluate`: accuracy against reference data, per case and in total."""

from __future__ import annotations

import typer

from guidance_app.cli.evaluations import (
    evaluate_cmr,
    evaluate_deformation,
    evaluate_halo,
    evaluate_ivus,
    evaluate_judging,
    evaluate_poster,
    evaluate_registration,
    evaluate_segmentation,
    evaluate_window,
    evaluate_zero_touch,
)


def add_to(app: typer.Typer) -> None:
    evaluate = typer.Typer(no_args_is_help=True, help="Accuracy against reference data, with confidence intervals.")
    app.add_typer(evaluate, name="evaluate")
    evaluate_registration.add_to(evaluate)
    evaluate_poster.add_to(evaluate)
    evaluate_deformation.add_to(evaluate)
    evaluate_halo.add_to(evaluate)
    evaluate_judging.add_to(evaluate)
    evaluate_segmentation.add_to(evaluate)
    evaluate_zero_touch.add_to(evaluate)
    evaluate_window.add_to(evaluate)
    evaluate_ivus.add_to(evaluate)
    evaluate_cmr.add_to(evaluate)
