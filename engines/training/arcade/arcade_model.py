"""The model folder that a training on marked pictures leaves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calibration.store import write_bytes
from engines.evaluation.segmentation.mask_agreement import Spread
from engines.inference.model_files import ModelRecord
from engines.networks.dru_net import DruNet
from engines.segmentation.scenes import SCENES
from engines.training.arcade.arcade_patches import Lesson
from engines.training.arcade.arcade_recipe import ArcadeRecipe
from engines.training.arcade.arcade_validation import choose, figures_where_known, synthetic_lessons, validate
from engines.training.segmentation.export import enter, export
from engines.training.segmentation.held_out import held_out_at, model_card
from engines.training.segmentation.segmentation_recipe import Recipe

_SCENE = SCENES["coronary"]
_CHOOSING = 60  # synthetic pictures that the threshold is chosen on, beside the real ones


def write_arcade_model(
    net: DruNet,
    recipe: ArcadeRecipe,
    out: Path,
    *,
    steps: int,
    learnt_from: int,
    real: Sequence[Lesson],
    notes: str = "",
) -> ModelRecord:
    """Choose the threshold, export, and write manifest and card.

    Args:
        net: the averaged network.
        recipe: that it came from.
        out: model folder.
        steps: that were done.
        learnt_from: number of marked pictures.
        real: lessons of marked pictures that were not learnt from.
        notes: more of the card.
    """
    # The first part of a training in two is no network that anyone has.
    start = recipe.opinions[0] if recipe.opinions else recipe.initial
    choice = choose(net, real, synthetic_lessons(_SCENE, _CHOOSING))
    plain = Recipe(scene=_SCENE.name, steps=steps, seed=recipe.seed, width=net.width, initial=start)
    record = export(net, _SCENE, plain, out, steps=steps, threshold=choice.threshold, smallest_px=choice.smallest_px)
    record = record.model_copy(update={"data": data_words(recipe, learnt_from)})
    enter(out, _SCENE.name, record)
    figures = figures_where_known(net, real, choice)
    found = validate(net, real, [], threshold=choice.threshold)
    table = _table(figures, len(real), found.catheter_share)
    held_out = held_out_at(net, _SCENE, choice.threshold, choice.smallest_px)
    write_bytes(out / f"{_SCENE.name}.md", model_card(_SCENE.name, record, held_out, f"{table}\n{notes}").encode())
    return record


def data_words(recipe: ArcadeRecipe, learnt_from: int) -> str:
    """What the network learnt from, for manifest and card."""
    all_ = recipe.real + recipe.synthetic + recipe.simulated
    share = recipe.synthetic / all_
    runs = f", {recipe.simulated / all_:.0%} frames of {len(recipe.cases)} simulated cases" if recipe.cases else ""
    return (
        f"{learnt_from} real angiograms with masks of their main segments (ARCADE, training part; Popov et al., "
        f"Scientific Data 11:20, CC0), and {share:.0%} of each step synthetic angiograms "
        f"(engines/simulation/angiograms/angiogram_synthesis.py){runs}"
        + ("; branches that nobody marked but two networks agree on count as vessel" if recipe.opinions else "")
    )


def _table(figures: dict[str, Spread], pictures: int, catheter_share: float) -> str:
    cells = " | ".join(
        f"{figures[key].median:.3f} [{figures[key].median_low:.3f}, {figures[key].median_high:.3f}]"
        for key in ("dice", "cl_dice", "precision", "recall")
    )
    return "\n".join(
        [
            f"## Marked pictures not learnt from ({pictures}, ARCADE's validation part; median [95 % interval])",
            "| Dice | clDice | precision | recall |",
            "| --- | --- | --- | --- |",
            f"| {cells} |",
            "",
            "Probable branches that nobody marked are left out of both masks. The threshold was chosen on these.",
            f"Of the pixels of probable guiding catheters {catheter_share:.1%} are called vessel.",
            "",
        ]
    )
