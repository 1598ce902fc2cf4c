"""The plan of a case: marks and the annulus, kept as point lists and a plane of 3D Slicer, its roles in the case."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from calibration.store import write_bytes
from engines.anatomy.cases.case import Case, bundled_cases_folder, load_case, write_case
from engines.anatomy.files.landmark_file import read_landmark_lists, read_plane_points
from engines.planning.annulus import CUSPS

MarkKind = Literal["landmark", "target", "ostium"]
_LISTS: Mapping[MarkKind, str] = {"landmark": "Landmarks", "target": "Target", "ostium": "Ostia"}
_ANNULUS = "Annulus"
_FORMAT = "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/markups-schema-v1.0.3.json#"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mark:
    """A named point, LPS mm."""

    name: str
    kind: MarkKind
    point_mm: Float[np.ndarray, " 3"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """What was planned.

    Args:
        hinges: of the cusps that have one, by the names in `CUSPS`.
        others: planes that came with the case, by name: three points each; they stay as they are.
    """

    marks: tuple[Mark, ...] = ()
    hinges: Mapping[str, Float[np.ndarray, " 3"]] = field(default_factory=dict)
    others: Mapping[str, Float[np.ndarray, "n 3"]] = field(default_factory=dict)

    @property
    def hinges_mm(self) -> Float[np.ndarray, "3 3"] | None:
        """Of the right, left and non-coronary cusp, once all are there."""
        if any(cusp not in self.hinges for cusp in CUSPS):
            return None
        return np.array([self.hinges[cusp] for cusp in CUSPS])

    def with_mark(self, mark: Mark) -> Plan:
        """One mark more; one of its name is moved, and there is one target."""
        kept = [
            one for one in self.marks if one.name != mark.name and not (mark.kind == "target" == one.kind)
        ]  # fmt: skip
        return replace(self, marks=(*kept, mark))

    def without(self, name: str) -> Plan:
        """Without a mark, or the hinge point of a cusp."""
        return replace(
            self,
            marks=tuple(mark for mark in self.marks if mark.name != name),
            hinges={cusp: point for cusp, point in self.hinges.items() if cusp != name},
        )

    def with_hinge(self, cusp: str, point_mm: Float[np.ndarray, " 3"]) -> Plan:
        if cusp not in CUSPS:
            raise ValueError(f"{cusp!r} is no cusp")
        return replace(self, hinges={**self.hinges, cusp: point_mm})


def read_plan(case: Case) -> Plan:
    """The plan of a case; empty where it has none.

    Raises:
        InputError: its landmarks or planes cannot be read.
    """
    kinds: dict[str, MarkKind] = {words: kind for kind, words in _LISTS.items()}
    marks: list[Mark] = []
    if (file := case.files.get("landmarks")) is not None:
        for words, points in read_landmark_lists(file.path).items():
            kind: MarkKind = kinds.get(words, "landmark")
            marks += [Mark(name=one.name, kind=kind, point_mm=one.point_lps_mm) for one in points]
    hinges: dict[str, np.ndarray] = {}
    others: dict[str, np.ndarray] = {}
    if (file := case.files.get("planes")) is not None:
        for words, points in read_plane_points(file.path).items():
            if words == _ANNULUS and len(points) == len(CUSPS):
                hinges = dict(zip(CUSPS, points, strict=True))
            else:
                others[words] = points
    return Plan(marks=tuple(marks), hinges=hinges, others=others)


def keep_plan(case: Case, plan: Plan) -> Case:
    """Write the plan into the case: its new files first, then `case.json` that names them.

    Raises:
        InputError: a bundled case, or the disk is full; the case is as before then.
    """
    if case.folder.parent == bundled_cases_folder():
        raise InputError(f"{case.id}: a bundled case stays as it is; copy its folder to plan on it")
    contents = {"landmarks": _landmarks(plan), "planes": _planes(plan)}
    files = {role: file.relative for role, file in case.files.items() if role not in contents}
    for role, content in contents.items():
        if content is None:
            continue
        text = json.dumps(content, indent=1).encode()
        # A name of its own: until case.json is changed, the hash there is that of the file before.
        files[role] = f"{role}-{hashlib.sha256(text).hexdigest()[:8]}.mrk.json"
        write_bytes(case.folder / files[role], text)
    write_case(
        case.folder,
        case_id=case.id,
        kind=case.kind,
        frame_of_reference_uid=case.frame_of_reference_uid,
        files=files,
        recordings=[(run.relative, run.kind) for run in case.recordings],
        vessels_names=case.vessels_names,
        field_of_view=case.field_of_view,
        patient=case.patient,
    )
    for role in contents:
        before = case.files.get(role)
        if before is not None and before.relative not in files.values():
            before.path.unlink(missing_ok=True)
    return load_case(case.folder)


def _landmarks(plan: Plan) -> dict[str, Any] | None:
    lists = {kind: [mark for mark in plan.marks if mark.kind == kind] for kind in get_args(MarkKind)}
    markups = [
        _markup("Fiducial", _LISTS[kind], [(mark.name, mark.point_mm) for mark in marks])
        for kind, marks in lists.items()
        if marks
    ]
    return _file(markups)


def _planes(plan: Plan) -> dict[str, Any] | None:
    markups = [_markup("Plane", name, [("", point) for point in points]) for name, points in plan.others.items()]
    hinges = plan.hinges_mm
    if hinges is not None:
        markups.append(_markup("Plane", _ANNULUS, list(zip(CUSPS, hinges, strict=True))))
    return _file(markups)


def _file(markups: list[dict[str, Any]]) -> dict[str, Any] | None:
    return {"@schema": _FORMAT, "markups": markups} if markups else None


def _markup(kind: str, name: str, points: list[tuple[str, np.ndarray]]) -> dict[str, Any]:
    return {
        "type": kind,
        "name": name,
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "controlPoints": [
            {"id": str(number), "label": words, "position": np.round(point, 4).tolist(), "positionStatus": "defined"}
            for number, (words, point) in enumerate(points, start=1)
        ],
    }
