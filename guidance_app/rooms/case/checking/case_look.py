"""What the check of a case shows, prepared off the window: voxels, labels, small surfaces, structures and notes.

It lies in a folder of its own while the check is open: arrays are mapped into memory, so that the window opens it at
once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from calibration.store import write_json
from engines.anatomy.cases.case import Case
from engines.anatomy.cases.case_summary import centerlines_summary, scale_doubt, summarise
from engines.anatomy.cases.intake_notes import read_notes
from engines.anatomy.structures.structure_table import StructureSummary, structures_of
from engines.anatomy.surface import surface_from_labels
from engines.anatomy.vessel_model import Branch, LabelVolume, SurfaceMesh, VesselModel
from engines.anatomy.working_grid import coarser
from guidance_app.views.language import tr

_MESH_MM = 1.0  # voxels of the surfaces in 3-D; thin vessels keep theirs
_RING = 10
_FACTS_OF_MODEL = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CaseLook:
    """One case to be checked.

    Args:
        volume: voxels in HU and their affine; None without a CTA.
        labels: None for a model without.
        lines: of each structure its branches, (n, 3) LPS mm.
        meshes: a surface a structure; "" for one that is not divided.
        facts: short lines about the whole case.
        notes: what was assumed or guessed.
    """

    case_id: str
    kind: str
    folder: Path
    volume: tuple[np.ndarray, Float[np.ndarray, "4 4"]] | None
    labels: LabelVolume | None
    lines: dict[str, list[Float[np.ndarray, "n 3"]]]
    meshes: dict[str, SurfaceMesh]
    structures: tuple[StructureSummary, ...]
    facts: tuple[str, ...]
    notes: tuple[str, ...]


def save_look(case: Case, folder: Path) -> None:
    """Write what `read_look` reads.

    Raises:
        InputError: the case is damaged, or the disk is full.
    """
    model, ct = case.vessel_model(), case.ct()
    summary = summarise(case, model, ct)
    notes = [*read_notes(case.folder), *filter(None, [scale_doubt(summary)])]
    meshes = _meshes(model)
    names = list(meshes)
    lines = _named_branches(model)
    content: dict[str, Any] = {
        "id": case.id, "kind": case.kind, "folder": str(case.folder), "notes": notes, "meshes": names,
        "structures": [structure.as_json() for structure in summary.structures],
        "lines": [name for name, _ in lines],
        "names": {} if model.labels is None else {str(n): name for n, name in model.labels.names.items()},
        "facts": [*_facts(summary.as_json()), *_model_facts(model)],
    }  # fmt: skip
    arrays: dict[str, np.ndarray] = {}
    for number, name in enumerate(names):
        arrays[f"vertices{number}"] = meshes[name].vertices_mm.astype(np.float32)
        arrays[f"triangles{number}"] = meshes[name].triangles.astype(np.int32)
    for number, (_, branch) in enumerate(lines):
        arrays[f"line{number}"] = branch.points_mm.astype(np.float32)
    if ct is not None:
        arrays["ct_affine"] = ct.lps_from_index
    if model.labels is not None:
        arrays["labels_affine"] = model.labels.lps_from_index
    try:
        if ct is not None:
            np.save(folder / "ct.npy", ct.voxels_hu)
        if model.labels is not None:
            np.save(folder / "labels.npy", model.labels.labels)
        np.savez(folder / "parts.npz", **arrays)  # type: ignore[arg-type]
    except OSError as error:
        raise InputError(f"{folder}: the check needs room on this disk ({error.strerror}); free some") from error
    write_json(folder / "look.json", content)


def read_look(folder: Path) -> CaseLook:
    """What `save_look` wrote; arrays stay on the disk until they are looked at."""
    content = json.loads((folder / "look.json").read_text(encoding="utf-8"))
    with np.load(folder / "parts.npz") as parts:
        arrays = {name: parts[name] for name in parts.files}
    volume = labels = None
    if "ct_affine" in arrays:
        volume = (np.load(folder / "ct.npy", mmap_mode="r"), arrays["ct_affine"])
    if "labels_affine" in arrays:
        names = {int(number): name for number, name in content["names"].items()}
        voxels = np.load(folder / "labels.npy", mmap_mode="r")
        labels = LabelVolume(labels=voxels, lps_from_index=arrays["labels_affine"], names=names)
    lines: dict[str, list[np.ndarray]] = {}
    for number, name in enumerate(content["lines"]):
        lines.setdefault(name, []).append(arrays[f"line{number}"].astype(np.float64))
    return CaseLook(
        case_id=content["id"],
        kind=content["kind"],
        folder=Path(content["folder"]),
        volume=volume,
        labels=labels,
        lines=lines,
        meshes={
            name: SurfaceMesh(vertices_mm=arrays[f"vertices{n}"].astype(np.float64), triangles=arrays[f"triangles{n}"])
            for n, name in enumerate(content["meshes"])
        },
        structures=tuple(_structure(entry) for entry in content["structures"]),
        facts=tuple(content["facts"]),
        notes=tuple(content["notes"]),
    )


def _structure(entry: dict[str, Any]) -> StructureSummary:
    return StructureSummary(structure_class=entry["class"], **{k: v for k, v in entry.items() if k != "class"})


def look_after(look: CaseLook, before: VesselModel, model: VesselModel) -> CaseLook:
    """The look of the model after a correction; surfaces of structures that did not change are those of before."""
    lines: dict[str, list[np.ndarray]] = {}
    for name, branch in _named_branches(model):
        lines.setdefault(name, []).append(branch.points_mm)
    if model.labels is None or before.labels is None:
        meshes = look.meshes if model.surface is not None else _meshes(model)
    else:
        meshes = _meshes_after(look.meshes, before.labels, model.labels)
    return replace(
        look, labels=model.labels, lines=lines, meshes=meshes, structures=tuple(structures_of(model)),
        facts=(*look.facts[: -_FACTS_OF_MODEL], *_model_facts(model)),
    )  # fmt: skip


def _meshes_after(meshes: dict[str, SurfaceMesh], before: LabelVolume, after: LabelVolume) -> dict[str, SurfaceMesh]:
    from guidance_app.panels.pictures.carm_scene import simplified

    changed = before.labels != after.labels
    touched = set(np.unique(before.labels[changed]).tolist()) | set(np.unique(after.labels[changed]).tolist())
    kept = {
        name: meshes[before.names[number]] for number, name in after.names.items()
        if number not in touched and before.names.get(number) in meshes
    }  # fmt: skip
    anew = [number for number in after.names if after.names[number] not in kept]
    if not anew:
        return kept
    small = _small_labels(after)
    present = set(np.unique(small.labels).tolist())
    return kept | {
        after.names[number]: simplified(surface_from_labels(small, only=[number]))
        for number in anew
        if number in present
    }


def _named_branches(model: VesselModel) -> list[tuple[str, Branch]]:
    branches = model.centerlines.branches if model.centerlines is not None else ()
    return [(branch.name or branch.vessel_class, branch) for branch in branches]


def _meshes(model: VesselModel) -> dict[str, SurfaceMesh]:
    from guidance_app.panels.pictures.carm_scene import simplified  # VTK, in this process alone

    if model.labels is not None:
        small = _small_labels(model.labels)
        present = set(np.unique(small.labels).tolist())
        return {
            name: simplified(surface_from_labels(small, only=[number]))
            for number, name in small.names.items()
            if number in present
        }
    if model.surface is not None:
        return {"": simplified(model.surface)}
    tubes: dict[str, list[SurfaceMesh]] = {}
    for name, branch in _named_branches(model):
        tubes.setdefault(name, []).append(_tube(branch))
    return {name: _joined(parts) for name, parts in tubes.items()}


def _small_labels(labels: LabelVolume) -> LabelVolume:
    """On a coarser grid, in which every structure keeps all its parts."""
    spacing = np.linalg.norm(labels.lps_from_index[:3, :3], axis=0)
    a, b, c = np.maximum(1, np.floor(_MESH_MM / spacing + 1e-3)).astype(int).tolist()
    if (a, b, c) == (1, 1, 1):
        return labels
    shape = tuple(-(-size // block) for size, block in zip(labels.labels.shape, (a, b, c), strict=True))
    small = np.zeros(shape, dtype=labels.labels.dtype)
    for number in labels.names:
        small[coarser(labels.labels == number, (a, b, c)) & (small == 0)] = number
    index_from_block = np.diag([float(a), float(b), float(c), 1.0])
    index_from_block[:3, 3] = 0.5 * (np.array([a, b, c]) - 1)
    return LabelVolume(labels=small, lps_from_index=labels.lps_from_index @ index_from_block, names=labels.names)


def _tube(branch: Branch) -> SurfaceMesh:
    """About a line, as wide as its radius says."""
    points = branch.points_mm
    radius = np.where(np.isfinite(branch.radius_mm), branch.radius_mm, 0.5)
    along = np.gradient(points, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    u = np.cross(along, np.array([0.31, 0.42, 0.85]))
    u /= np.maximum(np.linalg.norm(u, axis=1, keepdims=True), 1e-9)
    v = np.cross(along, u)
    turn = np.linspace(0.0, 2.0 * np.pi, _RING, endpoint=False)
    ring = np.cos(turn)[None, :, None] * u[:, None] + np.sin(turn)[None, :, None] * v[:, None]
    vertices = (points[:, None] + radius[:, None, None] * ring).reshape(-1, 3)
    here = np.arange(len(points) - 1)[:, None] * _RING
    a, b = np.arange(_RING)[None, :], (np.arange(_RING)[None, :] + 1) % _RING
    lower = np.stack([here + a, here + b, here + _RING + b], axis=2).reshape(-1, 3)
    upper = np.stack([here + a, here + _RING + b, here + _RING + a], axis=2).reshape(-1, 3)
    return SurfaceMesh(vertices_mm=vertices, triangles=np.concatenate([lower, upper]))


def _joined(parts: list[SurfaceMesh]) -> SurfaceMesh:
    starts = np.cumsum([0, *(len(part.vertices_mm) for part in parts[:-1])])
    return SurfaceMesh(
        vertices_mm=np.concatenate([part.vertices_mm for part in parts]),
        triangles=np.concatenate([part.triangles + start for part, start in zip(parts, starts, strict=True)]),
    )


def _facts(summary: dict[str, Any]) -> list[str]:
    facts = []
    if cta := summary["cta"]:
        size, spacing = cta["size_voxels"], cta["spacing_mm"]
        facts.append(
            f"CTA {size[0]} x {size[1]} x {size[2]}, {spacing[0]:.3g} x {spacing[1]:.3g} x {spacing[2]:.3g} mm"
        )
    return facts


def _model_facts(model: VesselModel) -> list[str]:
    """`_FACTS_OF_MODEL` lines about its lines and its size."""
    tree = model.centerlines
    if tree is None:
        return [tr("no centerlines"), ""]
    summary = centerlines_summary(tree)
    widest = "" if summary.radius_p95_mm is None else f", radius up to {summary.radius_p95_mm:.1f} mm"
    extent = np.ptp(tree.points_mm(), axis=0)
    return [
        f"{summary.branches} branches, {summary.roots} roots, {summary.length_mm:.0f} mm{widest}",
        f"model {extent[0]:.0f} x {extent[1]:.0f} x {extent[2]:.0f} mm",
    ]
