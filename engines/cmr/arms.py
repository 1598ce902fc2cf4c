"""Which way each step of the fusion is done: by rules, or by a network that learned from simulation."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args, get_type_hints

from calibration.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """The defaults are what was better on unseen simulated patients; `assets/results/cmr.md` has both.

    Args:
        heart: left ventricle in a CT without masks: a model fitted from many starts, or a network, each before the
            borders are drawn at the CT's own edges.
        wall: wall and pools in CMR slices without masks: closed paths of least cost, or a network.
        reorient: the heart's axes from its masks, or by a network from the CT itself.
        nonrigid: the elastic step by wall distances along rays, or by a network.
        motion: breathing taken out of the series, or left in for comparison.
    """

    heart: Literal["edges", "network"] = "edges"
    wall: Literal["paths", "network"] = "network"
    reorient: Literal["geometric", "stn"] = "geometric"
    nonrigid: Literal["radial", "sdn"] = "radial"
    motion: Literal["low-rank", "none"] = "low-rank"

    @property
    def on_given_masks(self) -> tuple[str, str, str]:
        """What is left to choose where both heart and wall are given."""
        return self.reorient, self.nonrigid, self.motion

    @property
    def of_measuring(self) -> tuple[str, str, str]:
        """What decides how heart and slices are measured, before they meet."""
        return self.heart, self.wall, self.motion


DEFAULT = Arms()


def arms_named(**chosen: str) -> Arms:
    """Arms by their words; "" takes the default.

    Raises:
        InputError: a word that no arm has.
    """
    hints = get_type_hints(Arms)
    for field in fields(Arms):
        word = chosen.get(field.name, "")
        if word and word not in get_args(hints[field.name]):
            raise InputError(f"--{field.name} {word}: choose {' or '.join(get_args(hints[field.name]))}")
    return Arms(**{name: word for name, word in chosen.items() if word})  # pyright: ignore[reportArgumentType]
