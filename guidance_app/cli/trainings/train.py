"""Command `train`: every network that the program ships, from a seed."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calibration.errors import InputError

if TYPE_CHECKING:
    from engines.networks.dru_net import DruNet
    from engines.training.training_log import TrainingLog

_STEPS, _RATE = 1200, 2e-3
_VALIDATION = 16  # synthetic pictures, of a seed that nothing else uses


def add_to(app: typer.Typer) -> None:
    app.command("train")(train)


def train(
    name: Annotated[
        str,
        typer.Argument(
            help="coronary, cerebral, aortic-upper, aortic-lower, pose, affine, correlation, prost, ivus-landmarks, "
            "cmr-wall, cmr-heart, cmr-stn or cmr-sdn; "
            "status: how far the trainings in --out are"
        ),
    ],
    out: Annotated[Path, typer.Option(help="folder for checkpoint, weights, manifest and card")] = Path("out/models"),
    steps: Annotated[int, typer.Option(min=0, help="optimiser steps; 0: 1200, with --finetune 400")] = 0,
    seed: Annotated[int, typer.Option(min=0, max=999_999, help="decides pictures and first weights")] = 1,
    width: Annotated[int, typer.Option(min=4, max=128, help="channels of the first block")] = 16,
    batch: Annotated[int, typer.Option(min=1, help="pictures a step")] = 6,
    patch: Annotated[int, typer.Option(min=64, max=512, help="patch side in pixels, a multiple of 16")] = 192,
    rate: Annotated[float, typer.Option(min=0.0, max=1.0, help="learning rate; 0: 0.002, --finetune 0.0005")] = 0.0,
    paper: Annotated[bool, typer.Option("--paper", help="the network, loss, batch and rate as published")] = False,
    initial: Annotated[str, typer.Option(help="checkpoint (.pt) or a model folder's .safetensors to start from")] = "",
    cases: Annotated[str, typer.Option(help="folder of simulated cases, seeds 100 to 999, to mix in")] = "",
    tune_cases: Annotated[str, typer.Option(help="other simulated cases, to choose the threshold on too")] = "",
    case_share: Annotated[float, typer.Option(min=0.0, max=1.0, help="share of the patches from --cases")] = 0.4,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="of torch")] = 1,
    workers: Annotated[int, typer.Option(min=0, help="processes that make pictures")] = 1,
    finetune: Annotated[
        tuple[Path, Path] | None,
        typer.Option(help="folders of a site's pictures and vessel masks: go on from the shipped weights with them"),
    ] = None,
    folds: Annotated[int, typer.Option(min=0, help="--finetune: measure on pictures left out; writes figures")] = 0,
    models: Annotated[Path | None, typer.Option(help="--finetune: folder of the weights to start from")] = None,
    arcade: Annotated[
        Path | None,
        typer.Option(help="coronary: folder of real angiograms with masks, in ARCADE's form, to learn from"),
    ] = None,
    trim: Annotated[
        bool, typer.Option("--trim", help="--arcade: trim the marked masks to the width of the synthetic labels")
    ] = False,
    narrow: Annotated[
        bool,
        typer.Option("--narrow", help="half the width, taught by the shipped network; --arcade, --cases add pictures"),
    ] = False,
    arrival: Annotated[
        bool,
        typer.Option(
            "--arrival", help="aortic-...: other weights, which also take what came with the contrast; --cases"
        ),
    ] = False,
    budget_min: Annotated[float, typer.Option(min=0.0, help="--arcade: minutes of part two; 0: all steps")] = 0.0,
    resume: Annotated[
        bool, typer.Option("--resume", help="go on with an interrupted training in --out, with its own options")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="status: as JSON")] = False,
) -> None:
    """Train a network on synthetic angiograms; goes on where an interrupted run of the same recipe stopped.

    `train status` prints a line a training of the folder --out: step, loss, validation figures, hours spent and left.
    After an interruption `train NAME --resume` goes on with the options of before, from the last checkpoint.

    With --finetune IMAGES MASKS it starts from the shipped weights, mixes a site's pictures with synthetic ones and
    writes a model folder for `--models`; of a network with several vessel classes the first one is what masks mark.
    With --arcade DIR the coronary network learns from real pictures (DIR/train and DIR/val, each with images and
    masks of the main vessels) and synthetic ones, from the weights that saw simulation alone.
    With --narrow a network of half the width learns the shipped one's answers, for processors that multiply slowly.
    """
    given = dict(locals())
    from guidance_app.cli.trainings.training_state import options_of_interrupted, options_to_keep, show_trainings

    if name == "status":
        show_trainings(out, as_json=as_json)
        return
    if as_json:
        raise InputError("--json: goes with `train status` alone")
    if resume:
        train(name, out, **options_of_interrupted(name, out))
        return
    from engines.training.training_log import TrainingLog

    with TrainingLog(out, name, options_to_keep(train, given)) as log:
        _train(
            name, out, log, steps=steps, seed=seed, width=width, batch=batch, patch=patch, rate=rate, paper=paper,
            initial=initial, cases=cases, tune_cases=tune_cases, case_share=case_share, device=device,
            threads=threads, workers=workers, finetune=finetune, folds=folds, models=models, arcade=arcade, trim=trim,
            budget_min=budget_min, narrow=narrow, arrival=arrival,
        )  # fmt: skip


def _train(
    name: str,
    out: Path,
    log: TrainingLog,
    *,
    steps: int,
    seed: int,
    width: int,
    batch: int,
    patch: int,
    rate: float,
    paper: bool,
    initial: str,
    cases: str,
    tune_cases: str,
    case_share: float,
    device: str,
    threads: int,
    workers: int,
    finetune: tuple[Path, Path] | None,
    folds: int,
    models: Path | None,
    arcade: Path | None,
    trim: bool,
    budget_min: float,
    narrow: bool,
    arrival: bool,
) -> None:
    if name == "ivus-landmarks":
        from guidance_app.cli.trainings.train_ivus import train_ivus_landmarks

        train_ivus_landmarks(out, log, steps=steps, seed=seed, threads=threads)
        return
    if name.startswith("cmr-"):
        from guidance_app.cli.trainings.train_cmr import train_cmr_network

        train_cmr_network(name, out, log, steps=steps, seed=seed, threads=threads)
        return
    if name == "pose":
        from guidance_app.cli.trainings.train_pose import train_pose_network

        train_pose_network(out, log, steps=steps, seed=seed, width=width, paper=paper, device=device, threads=threads)
        return
    if name == "affine":
        from guidance_app.cli.trainings.train_affine import train_affine_network

        train_affine_network(out, log, steps=steps, seed=seed, paper=paper, device=device, threads=threads)
        return
    if name == "prost" or name.split("-")[0] == "correlation":
        from guidance_app.cli.trainings.train_correlation import train_similarity

        train_similarity(name, out, log, steps=steps, seed=seed, threads=threads)
        return
    if narrow:
        from guidance_app.cli.trainings.train_narrow import train_narrow

        if finetune is not None or paper or initial or trim or budget_min:
            raise InputError("--narrow: goes with --arcade DIR, --cases FOLDER, --steps and --seed alone")

        train_narrow(name, out, log, steps=steps, seed=seed, arcade=arcade, cases=cases, threads=threads)
        return
    from engines.segmentation.scenes import scene_named

    scene = scene_named(name)
    if patch % 16:
        raise InputError(f"--patch {patch}: the network needs a multiple of 16, for example {patch // 16 * 16}")
    if arcade is not None:
        from guidance_app.cli.trainings.train_arcade import train_on_arcade

        if finetune is not None:
            raise InputError("--arcade, --finetune: give one of them")
        train_on_arcade(
            name, arcade, out, log, steps=steps, seed=seed, rate=rate, initial=initial, budget_min=budget_min,
            trim=trim, cases=cases, threads=threads,
        )  # fmt: skip
        return
    if finetune is not None:
        from engines.training.segmentation.finetune import FineTuning
        from guidance_app.cli.trainings.finetune import finetune_site

        standard = FineTuning()
        plan = FineTuning(
            steps=steps or standard.steps, batch=batch, patch_px=patch, rate=rate or standard.rate, seed=seed
        )
        finetune_site(name, *finetune, out, plan, log, folds=folds, models=models, threads=threads)
        return
    if budget_min or trim:
        raise InputError(f"{'--budget-min' if budget_min else '--trim'}: goes with --arcade DIR alone")
    if folds or models:
        raise InputError(f"{'--folds' if folds else '--models'}: goes with --finetune IMAGES MASKS alone")
    if arrival and (paper or scene.thin_vessels or not cases):
        raise InputError("--arrival: for aortic-upper or aortic-lower, with --cases FOLDER, without --paper")
    import torch

    from calibration.store import write_bytes
    from engines.simulation.angiograms.angiogram_synthesis import WORKING_PX
    from engines.training.arcade.arcade_validation import synthetic_lessons, validate
    from engines.training.segmentation.export import export, weights_name
    from engines.training.segmentation.held_out import hold_out, model_card
    from engines.training.segmentation.segmentation_recipe import Recipe, fast_precision
    from engines.training.segmentation.segmentation_recipe import train as train_network
    from engines.training.segmentation.simulated_cases import fitting_cases, load_simulated

    if device != "cpu" and not torch.cuda.is_available():
        raise InputError(f"--device {device}: this torch finds no CUDA device; use --device cpu")
    if paper:
        patch, batch = WORKING_PX, scene.paper_batch
        print(f"as published: {patch} px, batch {batch}, rate {rate or scene.paper_rate:g}", file=sys.stderr)
    steps, rate = steps or _STEPS, rate or (scene.paper_rate if paper else _RATE)
    torch.set_num_threads(threads)
    recipe = Recipe(
        scene=name, steps=steps, seed=seed, width=width, batch=batch, patch_px=patch, rate=rate, initial=initial,
        loss=scene.paper_loss if paper else "dice+bce", form="paper" if paper else "ours", cases=cases,
        case_share=case_share,
        precision=fast_precision(device), arrival=arrival,
    )  # fmt: skip
    written = weights_name(recipe)
    checkpoint = out / f"{written}.checkpoint.pt"
    log.begin("synthetic angiograms", steps)
    say, drawn = _progress(steps), synthetic_lessons(scene, _VALIDATION)

    def told(step: int, loss: float) -> None:
        say(step, loss)
        log.tell(step, loss)

    def checked(step: int, average: DruNet) -> None:
        log.tell(step, log.loss, validation_dice=validate(average, [], drawn).synthetic_dice)

    net = train_network(recipe, checkpoint, device=device, workers=workers, progress=told, checked=checked)
    print("scoring on unseen synthetic pictures", file=sys.stderr)
    tuning = load_simulated(Path(tune_cases), scene) if tune_cases else None
    if tuning and cases and (both := {*tuning.cases} & {case.name for case in fitting_cases(Path(cases), scene)}):
        raise InputError(f"--tune-cases {tune_cases}: {sorted(both)[0]} is trained on; give cases of other seeds")
    held_out = hold_out(net, scene, cases=tuning)
    record = export(
        net, scene, recipe, out, steps=steps, threshold=held_out.threshold, smallest_px=held_out.smallest_px
    )
    card = model_card(written, record, held_out)
    write_bytes(out / f"{written}.md", card.encode())
    print(f"{out / written}.onnx, .safetensors, .md and manifest.json written; load them with --models {out}")


def _progress(steps: int):
    started = time.monotonic()
    first: list[int] = []

    def say(step: int, loss: float) -> None:
        first.append(step) if not first else None
        if step % 10 and step != steps:
            return
        done = step - first[0] + 1
        left_s = (time.monotonic() - started) / done * (steps - step)
        print(f"step {step}/{steps}  loss {loss:.3f}  {left_s / 60:.0f} min left", file=sys.stderr, flush=True)

    return say
