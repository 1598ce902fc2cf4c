"""`train cmr-*`: one network of the CT-CMR fusion from a seed, with its weights, its list entry and its card."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch

from calibration.store import make_folder, write_bytes
from engines.cmr.networks import save_cmr_network
from engines.inference.machine import this_machine
from engines.training.cmr.fit import FitPlan
from engines.training.cmr.heart_recipe import PLAN as HEART
from engines.training.cmr.heart_recipe import held_out_dice as heart_held_out
from engines.training.cmr.heart_recipe import train_heart
from engines.training.cmr.sdn_recipe import PLAN as SDN
from engines.training.cmr.sdn_recipe import held_out_dice as sdn_held_out
from engines.training.cmr.sdn_recipe import train_sdn
from engines.training.cmr.stn_recipe import PLAN as STN
from engines.training.cmr.stn_recipe import held_out_degrees, train_stn
from engines.training.cmr.wall_recipe import PLAN as WALL
from engines.training.cmr.wall_recipe import held_out_dice as wall_held_out
from engines.training.cmr.wall_recipe import train_wall

Say = Callable[[str], None]
Stepped = Callable[[int, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """Args:
    held_out: figures by name on patients that nothing learned from.
    """

    steps: int
    held_out: dict[str, float]


class _Train(Protocol):
    """The network and the steps that were done; what is needed to go on lies in `folder`."""

    def __call__(self, plan: FitPlan, folder: Path, *, say: Say, stepped: Stepped) -> tuple[torch.nn.Module, int]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recipe:
    """`design`: attributes of the network that its file keeps, to be made again by."""

    plan: FitPlan
    train: _Train
    held_out: Callable[[torch.nn.Module, Path], dict[str, float]]
    does: str
    design: tuple[str, ...] = ("width",)


RECIPES: dict[str, _Recipe] = {
    "cmr-heart": _Recipe(
        plan=HEART,
        train=train_heart,
        held_out=heart_held_out,  # pyright: ignore[reportArgumentType]
        does="tells LV cavity, LV wall, RV, both atria and the aorta of a contrast CT on a grid of 3 mm "
        "(`engines/networks/cmr_heart_network.py`); used by `cmr fuse --heart network`, whose borders then lie "
        "at the CT's own edges",
    ),
    "cmr-wall": _Recipe(
        plan=WALL,
        train=train_wall,
        design=("maps", "width"),
        held_out=wall_held_out,  # pyright: ignore[reportArgumentType]
        does="tells LV wall, LV pool and RV pool of a short-axis slice from six maps of its first pass on a grid "
        "of 64 x 64 and 2 mm (`engines/networks/cmr_wall_network.py`); used unless `--wall paths` is given",
    ),
    "cmr-stn": _Recipe(
        plan=STN,
        train=train_stn,
        held_out=held_out_degrees,  # pyright: ignore[reportArgumentType]
        does="tells how a left ventricle lies in a contrast CT: a 3-D ResNet18 on a cube of 36 voxels of 3 mm with a "
        "spatial transformer that turns the cube by what was seen and looks again "
        "(`engines/networks/cmr_reorientation_network.py`), at an eighth of the full width, because the full one is "
        "work for a GPU; used by `cmr fuse --reorient stn`",
    ),
    "cmr-sdn": _Recipe(
        plan=SDN,
        train=train_sdn,
        held_out=sdn_held_out,  # pyright: ignore[reportArgumentType]
        does="gives the smooth, invertible field that carries a CMR slice's wall onto the CT's "
        "(`engines/networks/cmr_deformation_network.py`), taught by both walls; used by `cmr fuse --nonrigid sdn`",
    ),
}


def plan_of(name: str, *, steps: int, seed: int) -> FitPlan:
    plan = RECIPES[name].plan
    return replace(plan, steps=steps or plan.steps, seed=seed)


def train_cmr(name: str, plan: FitPlan, out: Path, *, say: Say, stepped: Stepped) -> Trained:
    """Write weights, list entry and card into a folder; what an interrupted run needs lies in `unfinished/` there.

    Raises:
        InputError: the folder cannot be written to, or its checkpoint is of another plan.
    """
    recipe, unfinished = RECIPES[name], out / "unfinished"
    make_folder(unfinished)
    began = time.process_time()
    net, done = recipe.train(plan, unfinished, say=say, stepped=stepped)
    minutes = (time.process_time() - began) / 60
    say("scoring on unseen patients")
    held_out = recipe.held_out(net, unfinished)
    save_cmr_network(
        net,
        out / f"{plan.of}.safetensors",
        design={name: getattr(net, name) for name in recipe.design},
        steps=done,
        seed=plan.seed,
    )
    write_bytes(out / f"{plan.of}.md", _card(plan, recipe, done, minutes, net, held_out).encode())
    return Trained(steps=done, held_out=held_out)


def _card(
    plan: FitPlan, recipe: _Recipe, done: int, minutes: float, net: torch.nn.Module, held_out: dict[str, float]
) -> str:
    weights = sum(part.numel() for part in net.parameters())
    figures = ", ".join(f"{name} {value:.3f}" for name, value in held_out.items())
    data = f"simulated patients alone (`engines/simulation/cmr`, split train, seeds 0 to {plan.patients - 1})"
    adam = f"{done} of {plan.steps} steps of AdamW, batch {plan.batch}, averaged weights, seed {plan.seed}"
    rows = {
        "network": f"{weights} weights, fp16 safetensors",
        "data": f"{data}, physics drawn anew for every lesson; no patient, no real picture",
        "recipe": f"`train {plan.of}`: {adam}",
        "time": f"{minutes:.0f} CPU minutes of the last run, one thread, {this_machine().cpu}",
        "held out": f"{figures} (seeds from 900, split train, nothing learned from them)",
    }
    table = "\n".join(f"| {name} | {words} |" for name, words in rows.items())
    return (
        f"# {plan.of}\n\nIt {recipe.does}.\n\n| | |\n| --- | --- |\n{table}\n\n"
        "What it gains in the fusion stands in `assets/results/cmr.md`. It saw simulated pictures alone: on other\n"
        "scanners and on patients nothing was measured beyond what stands there.\n"
    )
