"""The centerlines as a case stores them."""

from __future__ import annotations

import numpy as np

from engines.anatomy.vessel_model import Branch, CenterlineTree
from engines.simulation.shapes.curve import even_steps


def model_tree(tree: CenterlineTree) -> CenterlineTree:
    """Centerlines with a point about every millimetre, nodes kept."""
    branches = []
    for branch in tree.branches:
        points = even_steps(branch.points_mm, 1.0)
        at = np.linspace(0.0, 1.0, len(points))
        radius = np.interp(at, np.linspace(0.0, 1.0, len(branch.radius_mm)), branch.radius_mm)
        branches.append(
            Branch(
                points_mm=points,
                radius_mm=radius,
                name=branch.name,
                vessel_class=branch.vessel_class,
                parent=branch.parent,
            )
        )
    return CenterlineTree(branches=tuple(branches))
