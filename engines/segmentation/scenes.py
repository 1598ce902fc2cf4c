"""The scenes for which networks are trained, and the network for each kind of case."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from calibration.errors import InputError

CaseKind = Literal["evt", "tavi", "coronary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The pictures a network is for, and its output classes.

    Args:
        name: model name.
        classes: output maps, each with its own sigmoid.
        careful_scales: scales of the picture that `careful_probabilities` averages over.
        thin_vessels: whether the polarity of a picture can be seen by its vessels (see `condition`).
        paper_loss: loss of Li et al. for this field of view ("dice" eq. 1, "bce" eq. 2), for the `paper` recipe.
        paper_batch, paper_rate: pictures a step and learning rate of Li et al.; scenes that they did not have take
            those of the lower field, whose loss they share.
    """

    name: str
    classes: tuple[str, ...]
    paper_loss: Literal["dice", "bce"]
    paper_batch: int = 8
    paper_rate: float = 1e-5
    careful_scales: tuple[float, ...] = (1.0,)
    thin_vessels: bool = True


SCENES = {
    scene.name: scene
    for scene in (
        Scene(name="coronary", classes=("vessel", "device"), paper_loss="dice", careful_scales=(1.0, 0.75)),
        Scene(name="cerebral", classes=("artery", "vein"), paper_loss="dice"),
        Scene(
            name="aortic-upper",
            classes=("aorta", "device"),
            paper_loss="bce",
            paper_batch=4,
            paper_rate=0.1,
            thin_vessels=False,
        ),
        Scene(name="aortic-lower", classes=("aorta", "device"), paper_loss="dice", thin_vessels=False),
    )
}

# Weights that ship beside a scene's own, which bear its name.
_ARRIVAL = "-arrival"
_OTHER_WEIGHTS = {"coronary-sim": "coronary"} | {
    f"aortic-{part}{_ARRIVAL}": f"aortic-{part}" for part in ("upper", "lower")
}

_MODEL_OF_KIND = {"evt": "cerebral", "tavi": "aortic-upper", "coronary": "coronary"}
_LOWER = {"tavi": "aortic-lower"}


def scene_named(name: str) -> Scene:
    """The scene of this name. Raises InputError that suggests the nearest known name."""
    if name not in SCENES:
        raise InputError(f"no model is called {name!r}; {nearest(name, SCENES)}")
    return SCENES[name]


def scene_of_model(model: str) -> Scene:
    """The scene of the network of this name; several sets of weights may share one.

    Raises:
        InputError: as `scene_named`.
    """
    return scene_named(_OTHER_WEIGHTS.get(model, model))


def is_bundled(model: str) -> bool:
    """Whether `scene_of_model` knows it; a folder of one's own may hold networks of any name."""
    return _OTHER_WEIGHTS.get(model, model) in SCENES


def arrival_weights(model: str) -> str:
    """Name of the weights that also take what came with the contrast; a folder may lack them."""
    return model if model.endswith(_ARRIVAL) else f"{model}{_ARRIVAL}"


def shows_polarity(model: str) -> bool:
    """Whether a picture's polarity can be seen by what this network finds; one's own network is taken to."""
    return not is_bundled(model) or scene_of_model(model).thin_vessels


def model_for_kind(kind: str, field_of_view: str = "upper") -> str:
    """Name of the network for a case of this kind.

    Args:
        field_of_view: "lower" for the access vessels of a TAVI case (Li et al. divide their frames in the same way).

    Raises:
        InputError: the kind is unknown.
    """
    if kind not in _MODEL_OF_KIND:
        raise InputError(f"no case kind is called {kind!r}; {nearest(kind, _MODEL_OF_KIND)}")
    return _LOWER.get(kind, _MODEL_OF_KIND[kind]) if field_of_view == "lower" else _MODEL_OF_KIND[kind]


def nearest(name: str, known) -> str:
    """ "did you mean ..." for an error line."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    listing = f"known are {', '.join(known)}"
    return f"did you mean {close[0]!r}? ({listing})" if close else listing
