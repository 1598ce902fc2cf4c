"""The similarities that can be trained, by name: ours, its published peers, and ours with one part left out."""

from __future__ import annotations

import difflib
from dataclasses import replace

from calibration.errors import InputError
from engines.networks.correlation_network import Design
from engines.training.correlation.correlation_recipe import CorrelationRecipe

_OURS = CorrelationRecipe()

# `prost` is one encoder and one head trained on direction alone (Gao et al. 2020); `correlation-poster` has the
# decomposition as printed by Chen et al. 2024, and their loss on direction alone.
VARIANTS = {
    "correlation": _OURS,
    "correlation-poster": replace(_OURS, decomposition="poster", magnitude=0.0),
    "prost": replace(_OURS, design=Design(branches="single", gate=False), decomposition="none", magnitude=0.0),
    "correlation-no-decomposition": replace(_OURS, decomposition="none"),
    "correlation-no-gate": replace(_OURS, design=Design(gate=False)),
    "correlation-no-magnitude": replace(_OURS, magnitude=0.0),
    "correlation-no-randomisation": replace(_OURS, randomise=False),
}


def variant_named(name: str) -> CorrelationRecipe:
    """The recipe of this name. Raises InputError if there is none."""
    if name not in VARIANTS:
        near = difflib.get_close_matches(name, VARIANTS, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else "choose one of them"
        raise InputError(f"no similarity {name!r} can be trained; there are {', '.join(VARIANTS)}; {hint}")
    return VARIANTS[name]
