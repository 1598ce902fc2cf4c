"""A summary of a case in numbers that a person can check at a glance."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from engines.anatomy.cases.by_hand import HandEntry, hand_lines, read_by_hand
from engines.anatomy.cases.case import Case
from engines.anatomy.structures.structure_table import StructureSummary, branch_length_mm, structures_of
from engines.anatomy.vessel_model import CenterlineTree, CtVolume, SurfaceMesh, VesselModel

# Lower limit of the 95th percentile of a tree's radii: half the radius of a thin left main, carotid or iliac artery.
_LEAST_WIDEST_MM = {"coronary": 0.7, "evt": 0.7, "tavi": 1.5}
_SHOWN_NAMES = 16  # on a terminal; a cerebral tree has a hundred, and JSON lists them all


@dataclass(frozen=True, slots=True, kw_only=True)
class CtSummary:
    size_voxels: list[int]
    spacing_mm: list[float]
    lowest_hu: float
    highest_hu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CenterlinesSummary:
    """`radius_known` is the share of points with a radius; the percentiles are taken over these points."""

    branches: int
    roots: int
    points: int
    length_mm: float
    radius_known: float
    radius_p5_mm: float | None
    radius_median_mm: float | None
    radius_p95_mm: float | None
    names: list[str]
    classes: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSummary:
    id: str
    kind: str
    field_of_view: str
    folder: str
    frame_of_reference_uid: str
    files: dict[str, str]
    cta: CtSummary | None
    labels: dict[str, int]
    surface_triangles: int | None
    centerlines: CenterlinesSummary | None
    structures: list[StructureSummary]
    extent_mm: list[float]
    centre_lps_mm: list[float]
    recordings: list[dict[str, str]]
    by_hand: list[HandEntry]

    def as_json(self) -> dict[str, Any]:
        structures = [structure.as_json() for structure in self.structures]
        by_hand = [entry.model_dump(mode="json") for entry in self.by_hand]
        return {
            "schema": "guidance-app/case-summary/1", **asdict(replace(self, by_hand=[])), "structures": structures,
            "by_hand": by_hand,
        }  # fmt: skip


def scale_doubt(summary: CaseSummary) -> str:
    """Why the model may not be in millimetres; "" if its size is plausible.

    Readers refuse models in metres and micrometres. A model in centimetres (common for flow solvers) is small but
    possible, and nothing else would warn that its overlay is wrong.
    """
    widest_mm = summary.centerlines.radius_p95_mm if summary.centerlines is not None else None
    least_mm = _LEAST_WIDEST_MM[summary.kind]
    if widest_mm is None or widest_mm >= least_mm:
        return ""
    return (
        f"the widest vessels have a radius of {widest_mm:.2g} mm, expected at least {least_mm:g} for {summary.kind}; "
        "is the model in millimetres? (from centimetres, multiply by 10)"
    )


def summarise(case: Case, model: VesselModel, ct: CtVolume | None) -> CaseSummary:
    """Sizes, spacing, branches, lengths and radii of a loaded case."""
    points_mm = _points_of(model)
    labels = model.labels
    return CaseSummary(
        id=case.id,
        kind=case.kind,
        field_of_view=case.field_of_view,
        folder=str(case.folder),
        frame_of_reference_uid=case.frame_of_reference_uid,
        files={role: file.relative for role, file in case.files.items()},
        cta=None if ct is None else _ct_summary(ct),
        labels={} if labels is None else {n: int((labels.labels == v).sum()) for v, n in labels.names.items()},
        surface_triangles=None if model.surface is None else len(model.surface.triangles),
        centerlines=None if model.centerlines is None else centerlines_summary(model.centerlines),
        structures=structures_of(model),
        extent_mm=np.round(np.ptp(points_mm, axis=0), 1).tolist(),
        centre_lps_mm=np.round(points_mm.mean(axis=0), 1).tolist(),
        recordings=[{"path": run.relative, "kind": run.kind} for run in case.recordings],
        by_hand=list(read_by_hand(case.folder)),
    )


def summary_lines(summary: CaseSummary) -> list[str]:
    """The summary as lines for a terminal."""
    lower = ", lower field of view" if summary.field_of_view == "lower" else ""
    lines = [f"case {summary.id} ({summary.kind}{lower}) in {summary.folder}"]
    if summary.cta is not None:
        size, spacing = summary.cta.size_voxels, summary.cta.spacing_mm
        lines.append(
            f"cta          {size[0]} x {size[1]} x {size[2]} voxels of {spacing[0]:.3g} x {spacing[1]:.3g} x "
            f"{spacing[2]:.3g} mm, {summary.cta.lowest_hu:.0f} to {summary.cta.highest_hu:.0f} HU"
        )
    lines += [structure.line() for structure in summary.structures[:_SHOWN_NAMES]]
    if len(summary.structures) > _SHOWN_NAMES:
        lines.append(f"structure    and {len(summary.structures) - _SHOWN_NAMES} more; --json lists all")
    if summary.surface_triangles is not None:
        lines.append(f"surface      {summary.surface_triangles} triangles")
    tree = summary.centerlines
    if tree is not None:
        radius = "radii unknown"
        if tree.radius_median_mm is not None:
            radius = (
                f"radius {tree.radius_median_mm:.2f} mm (p5 {tree.radius_p5_mm:.2f}, p95 {tree.radius_p95_mm:.2f}; "
                f"known for {100 * tree.radius_known:.0f} %)"
            )
        classes = ", ".join(f"{count} {name}" for name, count in tree.classes.items())
        lines.append(
            f"centerlines  {tree.branches} branches ({classes}), {tree.roots} roots, {tree.length_mm:.0f} mm, {radius}"
        )
        if tree.names:
            more = f" and {len(tree.names) - _SHOWN_NAMES} more" if len(tree.names) > _SHOWN_NAMES else ""
            lines.append(f"names        {', '.join(tree.names[:_SHOWN_NAMES])}{more}")
    extent, centre = summary.extent_mm, summary.centre_lps_mm
    lines.append(
        f"extent       {extent[0]:.0f} x {extent[1]:.0f} x {extent[2]:.0f} mm about LPS "
        f"({centre[0]:.0f}, {centre[1]:.0f}, {centre[2]:.0f}) mm"
    )
    lines += [f"recording    {run['path']} ({run['kind']})" for run in summary.recordings]
    lines += hand_lines(summary.by_hand)
    return lines


def _ct_summary(ct: CtVolume) -> CtSummary:
    return CtSummary(
        size_voxels=list(ct.voxels_hu.shape),
        spacing_mm=[round(value, 4) for value in ct.spacing_mm],
        lowest_hu=float(ct.voxels_hu.min()),
        highest_hu=float(ct.voxels_hu.max()),
    )


def centerlines_summary(tree: CenterlineTree) -> CenterlinesSummary:
    """How many branches, how long, how wide, and what they are called."""
    radius_mm = tree.radius_mm()
    known = radius_mm[np.isfinite(radius_mm)]
    p5, median, p95 = (round(float(v), 3) for v in np.percentile(known, (5, 50, 95))) if len(known) else (None,) * 3
    classes: dict[str, int] = {}
    for branch in tree.branches:
        classes[branch.vessel_class] = classes.get(branch.vessel_class, 0) + 1
    return CenterlinesSummary(
        branches=len(tree.branches),
        roots=sum(branch.parent < 0 for branch in tree.branches),
        points=len(radius_mm),
        length_mm=round(sum(map(branch_length_mm, tree.branches)), 1),
        radius_known=round(len(known) / len(radius_mm), 3),
        radius_p5_mm=p5,
        radius_median_mm=median,
        radius_p95_mm=p95,
        names=sorted({branch.name for branch in tree.branches if branch.name}),
        classes=classes,
    )


def _points_of(model: VesselModel) -> np.ndarray:
    if model.centerlines is not None:
        return model.centerlines.points_mm()
    surface: SurfaceMesh | None = model.surface
    assert surface is not None  # a loaded case has centerlines or a surface
    return surface.vertices_mm
