"""Measure fine-tuning on unseen pictures, and write the resulting model folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from calibration.errors import InputError
from calibration.store import make_folder, write_bytes
from engines.evaluation.segmentation.labelled import scores_as_json, spreads_as_json
from engines.evaluation.segmentation.labelled_pictures import LabelledPicture
from engines.evaluation.segmentation.mask_agreement import MaskScores, Spread, score_mask, summarise
from engines.inference.model_files import BUNDLED_MODELS, ModelFiles
from engines.inference.network_weights import load_network
from engines.networks.dru_net import DruNet, ProbabilityNet
from engines.segmentation.scenes import Scene
from engines.segmentation.segmenter import Segmenter
from engines.training.segmentation.export import enter, export
from engines.training.segmentation.finetune import FineTuning, finetune, folds_of
from engines.training.segmentation.held_out import HeldOut, hold_out, model_card
from engines.training.segmentation.segmentation_recipe import Recipe

_THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
_MIXED_IN = "synthetic angiograms mixed in"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldProof:
    """The figures of one fold: trained on some pictures, scored on the others.

    Args:
        trained_on: their names.
        threshold: chosen on the training pictures.
        before: the shipped network with its own threshold.
        before_retuned: the shipped network with its threshold chosen on the training pictures; this gain is not due to
            the training.
        after: the fine-tuned network.
    """

    trained_on: tuple[str, ...]
    threshold: float
    before: dict[str, MaskScores]
    before_retuned: dict[str, MaskScores]
    after: dict[str, MaskScores]


def prove_in_folds(
    files: ModelFiles,
    scene: Scene,
    pictures: Sequence[LabelledPicture],
    plan: FineTuning,
    folds: int,
    folder: Path,
    *,
    progress: Callable[[int, int, float], None] = lambda *_: None,
) -> list[FoldProof]:
    """Fine-tune once per fold and score on the pictures left out.

    Checkpoints are written to `folder`; `progress` is called with fold, step and loss.
    """
    proofs = []
    shipped = load_network(files)
    for fold, (train, test) in enumerate(folds_of(len(pictures), folds)):
        seen, unseen = [pictures[i] for i in train], [pictures[i] for i in test]
        net = finetune(
            files, scene, seen, plan, folder / f"{files.name}.fold{fold + 1}.checkpoint.pt",
            progress=lambda step, loss, fold=fold: progress(fold, step, loss),
        )  # fmt: skip
        threshold = choose_threshold(net, files, seen)
        retuned = choose_threshold(shipped, files, seen)
        proofs.append(
            FoldProof(
                trained_on=tuple(picture.name for picture in seen),
                threshold=threshold,
                before=_scores(shipped, files, unseen, files.record.threshold),
                before_retuned=_scores(shipped, files, unseen, retuned),
                after=_scores(net, files, unseen, threshold),
            )
        )
    return proofs


def proof_as_json(proofs: Sequence[FoldProof]) -> dict[str, Any]:
    """Totals over the unseen pictures of all folds, and the figures of every picture."""
    return {
        "total": {stage: spreads_as_json(total) for stage, total in proof_totals(proofs).items()},
        "folds": [
            {
                "trained_on": list(proof.trained_on), "threshold": proof.threshold,
                "cases": [
                    {"picture": name, "before": scores_as_json(proof.before[name]),
                     "before_retuned": scores_as_json(proof.before_retuned[name]),
                     "after": scores_as_json(proof.after[name])}
                    for name in proof.after
                ],
            }
            for proof in proofs
        ],
    }  # fmt: skip


def proof_totals(proofs: Sequence[FoldProof]) -> dict[str, dict[str, Spread]]:
    """Maps each stage ("before", "before_retuned", "after") to its figures over all unseen pictures."""
    return {
        stage: summarise(score for proof in proofs for score in getattr(proof, stage).values())
        for stage in ("before", "before_retuned", "after")
    }


def choose_threshold(net: DruNet, files: ModelFiles, pictures: Sequence[LabelledPicture]) -> float:
    """The threshold with the largest median Dice on these pictures."""
    probabilities = [_vessel(net, files, picture) for picture in pictures]

    def median_dice(threshold: float) -> float:
        pairs = zip(probabilities, pictures, strict=True)
        return float(np.median([_dice(found >= threshold, picture.mask) for found, picture in pairs]))

    return max(_THRESHOLDS, key=median_dice)


def check_folder(out: Path) -> None:
    """Raises InputError for the folder of the bundled models, and for a folder that cannot be written to."""
    if out.resolve() == BUNDLED_MODELS.resolve() or BUNDLED_MODELS.resolve() in out.resolve().parents:
        raise InputError(f"--out {out}: holds the models that ship with the program; choose another folder")
    make_folder(out)


def write_site_model(
    net: DruNet, files: ModelFiles, scene: Scene, pictures: Sequence[LabelledPicture], plan: FineTuning, out: Path
) -> HeldOut:
    """Write safetensors, ONNX, manifest and card of fine-tuned weights, with figures on unseen synthetic pictures.

    Raises:
        InputError: `out` is the folder of the bundled models.
    """
    check_folder(out)
    record = files.record
    threshold = choose_threshold(net, files, pictures)
    recipe = Recipe(
        scene=scene.name, steps=plan.steps, seed=plan.seed, width=record.width, batch=plan.batch,
        patch_px=plan.patch_px, rate=plan.rate,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(dir=out, prefix=".part-") as beside:
        made = export(net, scene, recipe, Path(beside), steps=plan.steps, threshold=threshold,
                      smallest_px=record.smallest_px)  # fmt: skip
        made = made.model_copy(
            update={
                "initial": f"{files.name} ({record.files[files.safetensors.name][:12]})",
                "loss": f"{recipe.loss}, where labelled",
                "data": f"fine-tuned on {len(pictures)} labelled pictures of a site, {_MIXED_IN} "
                f"({plan.synthetic_share:.0%}); before that: {record.data}",
            }
        )
        for name in made.files:
            write_bytes(out / name, (Path(beside) / name).read_bytes())
    held_out = hold_out(net, scene, pictures=16)
    write_bytes(out / f"{files.name}.md", model_card(files.name, made, held_out, _notes(pictures, plan)).encode())
    enter(out, files.name, made)
    return held_out


def _notes(pictures: Sequence[LabelledPicture], plan: FineTuning) -> str:
    return "\n".join(
        [
            "## Fine-tuned on a site's pictures",
            f"{len(pictures)} pictures with vessel masks: {', '.join(picture.name for picture in pictures)}.",
            f"{plan.steps} steps of {plan.batch} patches of {plan.patch_px} px, largest rate {plan.rate:g}, seed "
            f"{plan.seed}; {plan.synthetic_share:.0%} of the patches synthetic. The threshold was chosen on the same",
            "pictures. No figure on them is given: they were trained on. `--folds` measures on pictures left out.",
            "These weights carry traces of the site's pictures: treat them as the pictures themselves are treated.",
        ]
    )


class _InMemory:
    """A just trained network as a `Backend`, so that figures are measured through the path of inference."""

    name, device = "torch", "cpu"

    def __init__(self, net: DruNet) -> None:
        self._net = ProbabilityNet(net).eval()

    @torch.inference_mode()
    def run(self, batch: Float[np.ndarray, "n channels rows columns"]) -> Float[np.ndarray, "n classes rows columns"]:
        return self._net(torch.from_numpy(np.ascontiguousarray(batch, np.float32))).numpy()


def _vessel(net: DruNet, files: ModelFiles, picture: LabelledPicture) -> Float[np.ndarray, "rows columns"]:
    """The probability of the labelled class alone, because the masks do not show the others."""
    return Segmenter(files.name, files.record, _InMemory(net)).segment(picture.frame).probabilities[0]


def _scores(
    net: DruNet, files: ModelFiles, pictures: Sequence[LabelledPicture], threshold: float
) -> dict[str, MaskScores]:
    return {picture.name: score_mask(_vessel(net, files, picture) >= threshold, picture.mask) for picture in pictures}


def _dice(found: np.ndarray, reference: np.ndarray) -> float:
    total = float(found.sum() + reference.sum())
    return 2 * float((found & reference).sum()) / total if total else 1.0
