"""`train NAME --narrow`: a network of half the width that answers as the shipped one does."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.errors import InputError

if TYPE_CHECKING:
    from engines.networks.dru_net import DruNet
    from engines.training.training_log import TrainingLog

_SAY_EVERY, _CHECK_EVERY = 20, 300
_VALIDATION = 16  # synthetic pictures


def train_narrow(
    name: str, out: Path, log: TrainingLog, *, steps: int, seed: int, arcade: Path | None, cases: str, threads: int
) -> None:
    """Train, or go on where an interrupted run of the same recipe stopped; writes a model folder.

    Args:
        arcade: folder with `train/images`: real pictures to ask the wide network about. Masks are not read.
        cases: folder of simulated cases, for the same; "" for none.

    Raises:
        InputError: no such network or no such pictures; a checkpoint of another recipe.
    """
    import torch

    from engines.inference.factory import make_backend
    from engines.inference.model_files import BUNDLED_MODELS, ModelFiles, read_manifest
    from engines.inference.network_weights import load_network
    from engines.segmentation.scenes import is_bundled, scene_of_model
    from engines.training.arcade.arcade_pictures import read_unmarked
    from engines.training.arcade.arcade_validation import synthetic_lessons, validate
    from engines.training.segmentation.distillation import Distillation, Lessons, distil
    from engines.training.segmentation.narrow_model import write_narrow_model
    from engines.training.segmentation.simulated_cases import load_simulated
    from engines.training.segmentation.site_weights import check_folder

    models = read_manifest(BUNDLED_MODELS).models
    if name not in models or not is_bundled(name):
        raise InputError(f"--narrow: no network is called {name!r}; known are {', '.join(models)}")
    check_folder(out)
    torch.set_num_threads(threads)
    scene, wide = scene_of_model(name), ModelFiles(name=name, folder=BUNDLED_MODELS, record=models[name])
    standard = Distillation(teacher=name)
    recipe = Distillation(teacher=name, steps=steps or standard.steps, seed=seed, width=models[name].width // 2)
    lessons = Lessons(
        real=() if arcade is None else read_unmarked(arcade / "train" / "images"),
        simulated=load_simulated(Path(cases), scene) if cases else None,
    )
    log.begin("answers of the wide network", recipe.steps)
    drawn, began = synthetic_lessons(scene, _VALIDATION), time.monotonic()

    def say(step: int, loss: float, net: Callable[[], DruNet]) -> None:
        log.tell(step, loss)
        if step % _CHECK_EVERY == 0:
            log.tell(step, log.loss, validation_dice=validate(net(), [], drawn).synthetic_dice)
        if step % _SAY_EVERY == 0 or step == recipe.steps:
            minutes = (time.monotonic() - began) / 60
            print(f"step {step}/{recipe.steps}  loss {loss:.3f}  {minutes:.1f} min", file=sys.stderr, flush=True)

    # In 32 bits: the narrow network is to learn the wide one's answers, not a runtime's rounding.
    teacher = make_backend("onnx", wide, threads=threads)
    checkpoint = out / f"{name}.narrow.checkpoint.pt"
    net = distil(recipe, load_network(wide), teacher, lessons, checkpoint, progress=say)
    print("comparing with the wide network", file=sys.stderr)
    gate = write_narrow_model(net, recipe, wide, out)
    verdict = "passes" if gate.passed else "is left out by auto"
    print(f"{out / name}.narrow.onnx written: it loses {gate.lost_points:.2f} points of Dice and {verdict}")
