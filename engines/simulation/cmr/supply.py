"""Which artery feeds which wall: growth over the epicardium at a speed that differs from place to place.

The speed field is random and smooth, wider arteries start earlier, and growth is uneven between the arteries: no rule
of an estimator is in it.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage, sparse
from scipy.sparse.csgraph import dijkstra

from engines.simulation.cmr.coronary_tree import Artery
from engines.simulation.cmr.heart_shape import HeartShape

LEVELS, ANGLES = 40, 120
VESSELS = ("LAD", "LCx", "RCA")


def level_grid() -> tuple[Float[np.ndarray, " l"], Float[np.ndarray, " a"]]:
    """Levels as shares of the length, and `theta`, of the grid that territories live on."""
    return np.linspace(0.0, 1.0, LEVELS), 2 * np.pi * np.arange(ANGLES) / ANGLES - np.pi


def grown_territories(
    shape: HeartShape, arteries: list[Artery], random: np.random.Generator
) -> tuple[Int[np.ndarray, "l a"], Int[np.ndarray, "l a"], Int[np.ndarray, "l a"]]:
    """Vessel (1 LAD, 2 LCx, 3 RCA), artery index and point index that feed each place."""
    levels, theta = level_grid()
    z, around = np.meshgrid(levels * shape.length_mm, theta, indexing="ij")
    places = shape.surface(np.maximum(z, 0.5), around, depth=0.6)
    noise = ndimage.gaussian_filter(random.normal(size=(LEVELS, ANGLES)), (4, 9), mode=("nearest", "wrap"))  # pyright: ignore[reportArgumentType]
    slowness = np.exp(0.45 * noise / noise.std())
    graph = _graph(places.reshape(-1, 3), slowness.ravel())
    sources, starts, owner, point = [], [], [], []
    early = {name: random.normal(0.0, 9.0) for name in VESSELS}
    for index, artery in enumerate(arteries):
        if not artery.vessel:
            continue
        for k in np.flatnonzero(artery.feeds)[::3]:
            far = np.linalg.norm(places - artery.points[k], axis=-1)
            node = int(far.argmin())
            if far.flat[node] < 16.0:
                sources.append(node)
                starts.append(max(0.0, 20.0 - 3.0 * np.log(artery.radius_mm[k] + 0.4) + early[artery.vessel]))
                owner.append(index)
                point.append(int(k))
    nodes = LEVELS * ANGLES
    # One extra node feeds every source after its start: a single run then tells the first to arrive.
    extra = sparse.csr_matrix(
        (np.maximum(starts, 1e-3), (np.arange(len(sources)) + nodes, sources)), shape=(nodes + len(sources),) * 2
    )
    wide = sparse.csr_matrix(
        (graph.data, graph.indices, np.concatenate([graph.indptr, np.full(len(sources), graph.nnz)])),
        shape=(nodes + len(sources),) * 2,
    )
    _, _, source = dijkstra(
        wide + extra, indices=np.arange(len(sources)) + nodes, min_only=True, return_predecessors=True
    )
    first = np.clip(source[:nodes] - nodes, 0, len(sources) - 1).reshape(LEVELS, ANGLES)
    artery_of, point_of = np.array(owner)[first], np.array(point)[first]
    vessel_of = np.array(
        [VESSELS.index(arteries[k].vessel) + 1 if arteries[k].vessel else 0 for k in range(len(arteries))]
    )
    return vessel_of[artery_of], artery_of, point_of


def _graph(places: Float[np.ndarray, "n 3"], slowness: Float[np.ndarray, " n"]) -> sparse.csr_matrix:
    index = np.arange(LEVELS * ANGLES).reshape(LEVELS, ANGLES)
    pairs = []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        a = index[: LEVELS - down] if down else index
        b = np.roll(index, -right, axis=1)[down:] if right else index[down:]
        pairs.append(np.stack([a.ravel(), b.ravel()]))
    a, b = np.concatenate(pairs, axis=1)
    cost = np.linalg.norm(places[a] - places[b], axis=1) * 0.5 * (slowness[a] + slowness[b]) + 1e-3
    n = LEVELS * ANGLES
    return sparse.csr_matrix(
        (np.concatenate([cost, cost]), (np.concatenate([a, b]), np.concatenate([b, a]))), shape=(n, n)
    )
