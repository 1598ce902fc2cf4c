"""The LV in CT as a mesh that carries perfusion and territories, with the coronaries as lines."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree
from skimage.measure import marching_cubes

from engines.anatomy.files.poly_data import PolyData
from engines.cmr.coronaries.tree import VESSELS
from engines.cmr.fusion_result import Fusion


def fused_mesh(fusion: Fusion) -> PolyData:
    """Triangles of the wall's surface, then coronary lines.

    Point arrays: `relative_upslope` (NaN where no slice saw the wall), `distance_to_slice_mm`, `territory` (0 none, 1
    LAD, 2 LCx, 3 RCA), `shared`, `segment`, `radius` (NaN on the wall), `part` (0 wall, 1 coronary artery).
    """
    heart = fusion.heart
    wall = np.pad(heart.masks["lv_wall"].astype(np.float32), 1)
    index, faces, _, _ = marching_cubes(ndimage.gaussian_filter(wall, 0.8), 0.5, step_size=2)
    vertices = (index - 1.0) @ heart.lps_from_index[:3, :3].T + heart.lps_from_index[:3, 3]
    if np.linalg.det(heart.lps_from_index[:3, :3]) > 0:
        faces = faces[:, ::-1]  # outward normals by the right-hand rule
    _, nearest = KDTree(heart.points_mm(heart.masks["lv_wall"])).query(vertices)
    found = fusion.territories
    tree = [part for part in fusion.tree or () if not part.hidden]
    lines = [part.branch.points_mm for part in tree]
    extra = sum(len(line) for line in lines)
    vessel = found.vessel[nearest] if found is not None else np.zeros(len(vertices), dtype=np.int64)
    shared = found.shared[nearest] if found is not None else np.zeros(len(vertices), dtype=bool)
    on_line = [
        np.full(len(part.branch.points_mm), VESSELS.index(part.vessel) + 1 if part.vessel else 0) for part in tree
    ]
    starts = np.cumsum([len(vertices), *(len(line) for line in lines)])

    def both(values: np.ndarray, rest: np.ndarray) -> np.ndarray:
        return np.concatenate([values.astype(np.float64), rest.astype(np.float64)])

    return PolyData(
        points=np.concatenate([vertices, *lines]),
        lines=tuple(np.arange(a, b) for a, b in pairwise(starts)),
        triangles=faces.astype(np.int64),
        point_arrays={
            "relative_upslope": both(fusion.upslope[nearest], np.full(extra, np.nan)),
            "distance_to_slice_mm": both(_to_slice(fusion, vertices), np.full(extra, np.nan)),
            "territory": both(vessel, np.concatenate([np.zeros(0), *on_line])),
            "shared": both(shared, np.zeros(extra)),
            "segment": both(fusion.model.frame.segments(vertices), np.zeros(extra)),
            "radius": both(
                np.full(len(vertices), np.nan), np.concatenate([np.zeros(0), *(p.branch.radius_mm for p in tree)])
            ),
            "part": both(np.zeros(len(vertices)), np.ones(extra)),
        },
    )


def _to_slice(fusion: Fusion, points: np.ndarray) -> np.ndarray:
    """Distance to the nearest slice's slab, 0 inside it."""
    far = np.full(len(points), np.inf)
    for link in fusion.links:
        cmr = points @ link.cmr_from_ct[:3, :3].T + link.cmr_from_ct[:3, 3]
        off = np.clip(np.abs(link.pixel(cmr)[:, 2]) - 0.5, 0.0, None) * link.part.thickness_mm
        far = np.minimum(far, off)
    return far
