"""`train NAME --finetune IMAGES MASKS`: a shipped network, trained on with a site's own labelled pictures."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.errors import InputError

if TYPE_CHECKING:
    from engines.evaluation.segmentation.labelled_pictures import LabelledPicture
    from engines.inference.model_files import ModelFiles
    from engines.training.segmentation.finetune import FineTuning
    from engines.training.training_log import TrainingLog

_SCHEMA = "guidance-app/finetune-folds/1"


def finetune_site(
    name: str,
    images: Path,
    masks: Path,
    out: Path,
    plan: FineTuning,
    log: TrainingLog,
    *,
    folds: int,
    models: Path | None,
    threads: int,
) -> None:
    """Fine-tune into a new model folder, or with `folds` measure what that is worth."""
    import torch

    from engines.evaluation.segmentation.labelled_pictures import read_labelled
    from engines.inference.model_files import BUNDLED_MODELS, ModelFiles, read_manifest
    from engines.segmentation.scenes import nearest
    from engines.training.segmentation.site_weights import check_folder

    check_folder(out)
    start = models or BUNDLED_MODELS
    known = read_manifest(start).models
    if name not in known:
        raise InputError(f"no model is called {name!r} in {start}; {nearest(name, known)}")
    files = ModelFiles(name=name, folder=start, record=known[name])
    if out.resolve() == start.resolve():
        raise InputError(f"--out {out}: holds the weights that the training starts from; choose another folder")
    pictures, failures = read_labelled(images, masks)
    for failure in failures:
        print(f"not used: {failure}", file=sys.stderr)
    torch.set_num_threads(threads)
    if folds:
        _prove(files, pictures, plan, log, folds, out, str(images))
    else:
        _write(files, pictures, plan, log, out)


def _prove(
    files: ModelFiles,
    pictures: list[LabelledPicture],
    plan: FineTuning,
    log: TrainingLog,
    folds: int,
    out: Path,
    data: str,
) -> None:
    from calibration.store import write_json
    from engines.inference.machine import this_machine
    from engines.segmentation.scenes import scene_named
    from engines.training.segmentation.site_weights import proof_as_json, proof_totals, prove_in_folds

    say = _progress(plan.steps * folds)

    stage = f"a site's pictures, {folds} folds"

    def progress(fold: int, step: int, loss: float) -> None:
        if not log.begun:
            log.begin(stage, plan.steps * folds)  # only now: too few pictures for so many folds leave no file
        log.tell(fold * plan.steps + step, loss)
        say(fold * plan.steps + step, loss, f"fold {fold + 1}/{folds} ")

    proofs = prove_in_folds(files, scene_named(files.name), pictures, plan, folds, out, progress=progress)
    totals = proof_totals(proofs)
    words = {"before": "as shipped", "before_retuned": "as shipped, threshold chosen anew", "after": "fine-tuned"}
    for stage, total in totals.items():
        dice, line = total["dice"], total["cl_dice"]
        print(
            f"{words[stage]}: Dice {dice.median:.3f} ({dice.median_low:.3f}-{dice.median_high:.3f}), "
            f"clDice {line.median:.3f} ({line.median_low:.3f}-{line.median_high:.3f}), "
            f"{dice.count} pictures that were not trained on"
        )
    content = {
        "schema": _SCHEMA, "machine": this_machine().model_dump(), "seed": plan.seed, "data": data,
        "model": files.name, "steps": plan.steps, **proof_as_json(proofs),
    }  # fmt: skip
    path = out / f"{files.name}.folds.json"
    write_json(path, content)
    print(f"every picture's figures in {path}")


def _write(files: ModelFiles, pictures: list[LabelledPicture], plan: FineTuning, log: TrainingLog, out: Path) -> None:
    from engines.segmentation.scenes import scene_named
    from engines.training.segmentation.finetune import finetune
    from engines.training.segmentation.site_weights import write_site_model

    scene = scene_named(files.name)
    say = _progress(plan.steps)
    log.begin("a site's pictures", plan.steps)

    def progress(step: int, loss: float) -> None:
        say(step, loss)
        log.tell(step, loss)

    net = finetune(files, scene, pictures, plan, out / f"{files.name}.checkpoint.pt", progress=progress)
    print("scoring on unseen synthetic pictures", file=sys.stderr)
    write_site_model(net, files, scene, pictures, plan, out)
    print(f"{out / files.name}.onnx, .safetensors, .md and manifest.json written; load them with --models {out}")


def _progress(steps: int) -> Callable[..., None]:
    started = time.monotonic()
    first: list[int] = []

    def say(step: int, loss: float, before: str = "") -> None:
        if not first:
            first.append(step)
        if step % 10 and step != steps:
            return
        left_s = (time.monotonic() - started) / (step - first[0] + 1) * (steps - step)
        print(f"{before}step {step}/{steps}  loss {loss:.3f}  {left_s / 60:.0f} min left", file=sys.stderr, flush=True)

    return say
