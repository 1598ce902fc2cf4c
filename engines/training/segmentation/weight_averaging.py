"""Average the weights from the start and the end of a training.

    python -m engines.training.segmentation.weight_averaging aortic-lower BEFORE AFTER
        --share 0.7 --out DIR [--tune-cases FOLDER]

A network that is trained further on new pictures forgets part of what it learnt from the old ones. If both networks lie
in one valley of the loss, a weighted mean keeps most of both (Wortsman et al., CVPR 2022, "Robust fine-tuning of
zero-shot models"). A person chooses the share, on pictures that neither training nor evaluation uses.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from calibration.errors import InputError
from calibration.store import write_bytes
from engines.inference.model_files import ModelRecord
from engines.networks.dru_net import DruNet
from engines.segmentation.scenes import scene_named
from engines.training.segmentation.export import enter, export
from engines.training.segmentation.held_out import hold_out, model_card
from engines.training.segmentation.segmentation_recipe import Recipe, load_average, load_weights
from engines.training.segmentation.simulated_cases import load_simulated


def averaged(before: DruNet, after: DruNet, share: float) -> DruNet:
    """The mean with weight `share` for `after` and the rest for `before`: 0 gives `before`, 1 gives `after`.

    Raises:
        InputError: the two have different shapes, or the share is not within 0 and 1.
    """
    if not 0 <= share <= 1:
        raise InputError(f"--share {share}: is the part of the later weights, 0 to 1")
    first, second = before.state_dict(), after.state_dict()
    if {name: value.shape for name, value in first.items()} != {name: value.shape for name, value in second.items()}:
        raise InputError("the two networks have other widths or classes; average what one training led to the other")
    net = DruNet(after.classes, after.width, after.channels, drawn=after.drawn)
    net.load_state_dict(
        {
            name: first[name].lerp(value, share) if value.dtype.is_floating_point else value
            for name, value in second.items()
        }
    )
    return net.eval()


def write_averaged(scene_name: str, before: Path, after: Path, share: float, out: Path, tune_cases: str) -> ModelRecord:
    """Average the start and the end of a training, choose the threshold anew, export, and write a card."""
    scene = scene_named(scene_name)
    end, told = load_average(after)
    recipe = Recipe(**told["recipe"])
    if recipe.scene != scene.name:
        raise InputError(f"{after}: was trained for {recipe.scene}, not for {scene.name}")
    net = averaged(load_weights(before), end, share)
    held_out = hold_out(net, scene, cases=load_simulated(Path(tune_cases), scene) if tune_cases else None)
    record = export(
        net, scene, replace(recipe, initial=str(before)), out, steps=told["step"], threshold=held_out.threshold,
        smallest_px=held_out.smallest_px,
    )  # fmt: skip
    mean = f"the weights are the mean of those at the start ({1 - share:.0%}) and those at the end ({share:.0%})"
    record = record.model_copy(update={"data": f"{record.data}; {mean}"})
    enter(out, scene.name, record)
    write_bytes(out / f"{scene.name}.md", model_card(scene.name, record, held_out).encode())
    return record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene")
    parser.add_argument("before", type=Path, help="checkpoint (.pt) or a model folder's .safetensors")
    parser.add_argument("after", type=Path, help="checkpoint (.pt) of the training that started there")
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--out", type=Path, default=Path("out/models"))
    parser.add_argument("--tune-cases", default="", help="simulated cases to choose the threshold on too")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    record = write_averaged(chosen.scene, chosen.before, chosen.after, chosen.share, chosen.out, chosen.tune_cases)
    print(f"{chosen.out / chosen.scene}.onnx, .safetensors, .md and manifest.json: threshold {record.threshold}")


if __name__ == "__main__":
    main()
