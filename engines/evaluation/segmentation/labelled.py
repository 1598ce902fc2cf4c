"""Evaluate a network on pictures with a person's masks, with Frangi's and Sato's filters tuned on other pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from calibration.errors import InputError
from engines.angiography.frame import Frame
from engines.evaluation.segmentation.labelled_pictures import LabelledPicture
from engines.evaluation.segmentation.mask_agreement import MaskScores, Spread, score_mask, summarise
from engines.evaluation.segmentation.vesselness import FILTERS, FilterName, FilterSetting, Tuning, filter_mask, tune
from engines.segmentation.conditioning import condition
from engines.segmentation.scenes import SCENES, Scene
from engines.segmentation.segmentation import Segmentation
from engines.segmentation.segmenter import Segmenter, condition_frame
from engines.simulation.angiograms.angiogram_synthesis import WORKING_PX, synthesize

SYNTHETIC_TUNING_SEED = 5_000_000  # training, thresholds and model cards use smaller ones
Mask = Bool[np.ndarray, "rows columns"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MethodResult:
    """One method on all pictures.

    Args:
        name: "network", "frangi" or "sato", with an addition for a second result of the same method.
        tuned_on: what it was tuned on, in words; "" for the network.
        settings: the filter's settings, one per fold.
        folds: maps a picture's name to the index of its setting.
        scores: by picture.
        masks: by picture, for the contact sheets.
    """

    name: str
    tuned_on: str
    settings: tuple[FilterSetting, ...]
    folds: dict[str, int]
    scores: dict[str, MaskScores]
    masks: dict[str, Mask]

    @property
    def total(self) -> dict[str, Spread]:
        return summarise(self.scores.values())


def network_results(
    segmenter: Segmenter, pictures: Sequence[LabelledPicture], progress: Callable[[str], None] = lambda _: None
) -> list[MethodResult]:
    """The network's vessel mask and, if it has a device class, also the mask without pixels that are rather device."""
    whole: dict[str, Mask] = {}
    cleaned: dict[str, Mask] = {}
    for picture in pictures:
        outcome = segmenter.segment(picture.frame)
        whole[picture.name] = outcome.vessel() >= segmenter.threshold
        if "device" in segmenter.classes:
            cleaned[picture.name] = whole[picture.name] & ~device_rather(outcome)
        progress(picture.name)
    results = [_scored("network", "", (), {}, whole, pictures)]
    if cleaned:
        results.append(_scored("network without device pixels", "", (), {}, cleaned, pictures))
    return results


def device_rather(outcome: Segmentation) -> Mask:
    """Pixels at which the device class is more probable than the vessel classes."""
    return outcome.probability("device") > outcome.vessel()


def peer_results(
    pictures: Sequence[LabelledPicture],
    *,
    scene: Scene | None = None,
    synthetic: int = 40,
    folds: int = 2,
    progress: Callable[[str], None] = lambda _: None,
) -> list[MethodResult]:
    """Frangi and Sato, each tuned once on synthetic pictures and once on other folds of these pictures.

    Args:
        pictures: to score on.
        scene: the scene of the synthetic pictures; None means coronary.
        synthetic: number of synthetic pictures; 0 leaves this tuning out.
        folds: number of folds of these pictures, assigned in turn by name; below 2 leaves this tuning out.
        progress: called with a line before each part.
    """
    results: list[MethodResult] = []
    dark = {picture.name: dark_vessels(picture.frame) for picture in pictures}
    if synthetic:
        for method, setting in tuned_on_synthetic(scene or SCENES["coronary"], synthetic).items():
            masks = {name: filter_mask(setting, values) for name, values in dark.items()}
            words = f"{synthetic} synthetic pictures (seed {SYNTHETIC_TUNING_SEED})"
            results.append(_scored(method, words, (setting,), dict.fromkeys(masks, 0), masks, pictures))
            progress(f"{method} tuned on synthetic pictures")
    if 2 <= folds <= len(pictures):
        for method in FILTERS:
            tuning = tune(method, ((dark[picture.name], picture.mask) for picture in pictures))
            results.append(_in_folds(method, tuning, folds, dark, pictures))
            progress(f"{method} tuned in folds")
    return results


def tuned_on_synthetic(scene: Scene, count: int) -> dict[FilterName, FilterSetting]:
    """Both filters tuned on this many synthetic pictures of a scene."""
    examples = _synthetic_examples(scene, count)
    return {method: tune(method, examples).best() for method in FILTERS}


def fold_of(index: int, folds: int) -> int:
    """The fold of a picture, assigned in turn by name: neighbours, often of one patient, go to different folds."""
    return index % folds


def dark_vessels(frame: Frame) -> Float[np.ndarray, "rows columns"]:
    """The picture with the polarity that the network expects: dark vessels."""
    conditioned = condition_frame(frame, WORKING_PX)
    values = frame.pixels.astype(np.float32)
    return -values if conditioned is not None and conditioned.inverted else values


def result_as_json(result: MethodResult) -> dict[str, Any]:
    """Figures in total and for each picture; null if a figure is undefined."""
    content: dict[str, Any] = {"name": result.name, "total": spreads_as_json(result.total)}
    if result.tuned_on:
        content["tuned_on"] = result.tuned_on
        content["settings"] = [asdict(setting) for setting in result.settings]
    content["cases"] = [
        {"picture": name, **scores_as_json(score), **({"setting": result.folds[name]} if result.folds else {})}
        for name, score in result.scores.items()
    ]
    return content


def spreads_as_json(total: dict[str, Spread]) -> dict[str, dict[str, float | int | None]]:
    return {figure: _without_nan(asdict(spread)) for figure, spread in total.items()}


def scores_as_json(scores: MaskScores) -> dict[str, float | None]:
    return _without_nan(asdict(scores))


def _in_folds(
    method: FilterName, tuning: Tuning, folds: int, dark: dict, pictures: Sequence[LabelledPicture]
) -> MethodResult:
    settings, masks, fold_by_name = [], {}, {}
    for fold in range(folds):
        others = [index for index in range(len(pictures)) if fold_of(index, folds) != fold]
        settings.append(tuning.best(others))
        for index, picture in enumerate(pictures):
            if fold_of(index, folds) == fold:
                masks[picture.name] = filter_mask(settings[-1], dark[picture.name])
                fold_by_name[picture.name] = fold
    words = f"the other folds of these pictures, {folds} folds by turns of name"
    return _scored(method, words, tuple(settings), fold_by_name, masks, pictures)


def _synthetic_examples(scene: Scene, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    vessels = [channel for channel, name in enumerate(scene.classes) if name != "device"]
    examples = []
    for index in range(count):
        sample = synthesize(scene, SYNTHETIC_TUNING_SEED, index, WORKING_PX)
        conditioned = condition(sample.picture, WORKING_PX)
        turned = conditioned is not None and conditioned.inverted
        examples.append((-sample.picture if turned else sample.picture, sample.masks[vessels].max(0) > 0.5))
    return examples


def _scored(name, tuned_on, settings, folds, masks, pictures: Sequence[LabelledPicture]) -> MethodResult:
    scores = {picture.name: score_mask(masks[picture.name], picture.mask) for picture in pictures}
    return MethodResult(name=name, tuned_on=tuned_on, settings=settings, folds=folds, scores=scores, masks=masks)


def _without_nan(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: value if value == value else None for name, value in figures.items()}


def check_enough(pictures: Sequence[LabelledPicture], folds: int) -> None:
    """Raises InputError if there are fewer pictures than folds."""
    if folds > len(pictures):
        raise InputError(f"--folds {folds}: there are {len(pictures)} pictures; give a smaller number")
