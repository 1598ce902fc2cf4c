"""Centerlines of an extracted aorta: one trunk through the true lumen with its branches, one line through the false."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calibration.errors import InputError
from engines.anatomy.centerlines.skeleton import name_along
from engines.anatomy.centerlines.tree import joined_trees, tree_from_polylines
from engines.anatomy.centerlines.trunk_paths import TrunkLimits, trunk_lines
from engines.anatomy.structure_names import structure_class_of, vessel_class_of
from engines.anatomy.vessel_model import CenterlineTree, LabelVolume

_TRUE = TrunkLimits(shortest_mm=12.0, narrowest_mm=1.5)
_FALSE = TrunkLimits(
    claimed_radii=3.0, claimed_mm=15.0, shortest_mm=40.0, narrowest_mm=3.0
)  # a crescent has no branches


def aortic_lines(labels: LabelVolume) -> CenterlineTree:
    """The tree of the true lumen and the arch vessels, beside that of the false lumen.

    Raises:
        InputError: no part is long enough to be an aorta.
    """
    false = [n for n, name in labels.names.items() if structure_class_of(name) == "false lumen"]
    true = [n for n in labels.names if n not in false]
    trees = []
    for numbers, limits in ((true, _TRUE), (false, _FALSE)):
        lines = []
        for line in trunk_lines(np.isin(labels.labels, numbers), labels.lps_from_index, limits):
            name = name_along(line, labels, numbers)
            lines.append(replace(line, name=name, vessel_class=vessel_class_of(name)))
        trees.append(tree_from_polylines(lines, shared_trunks=False))
    tree = joined_trees(trees)
    if not tree.branches:
        raise InputError(f"no vessel of at least {_TRUE.shortest_mm:g} mm in the labels; choose another segmentation")
    return tree
