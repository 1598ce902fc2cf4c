"""A case on disk: one folder with a patient's models and recordings, described by `case.json`."""

from __future__ import annotations

import difflib
import hashlib
import importlib.resources
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from calibration.errors import InputError
from calibration.store import write_json
from engines.anatomy.cases.patient_hashes import PatientHashes
from engines.anatomy.files.centerline_file import load_centerlines
from engines.anatomy.files.ct import load_ct
from engines.anatomy.files.labels import load_labels
from engines.anatomy.files.surface_file import load_surface
from engines.anatomy.vessel_model import CtVolume, VesselModel

SCHEMA = "guidance-app/case/1"
CaseKind = Literal["evt", "tavi", "coronary"]
FieldOfView = Literal["upper", "lower"]  # what a TAVI case shows: the aortic root, or the access vessels
CaseRole = Literal["cta", "vessels", "surface", "centerlines", "landmarks", "planes"]
BUNDLED = get_args(CaseKind)
_MAX_JSON_BYTES = 4 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """One model file; `path` is absolute, `relative` is the path that `case.json` states."""

    path: Path
    relative: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRecording:
    """One recorded run of the case."""

    path: Path
    relative: str
    sha256: str
    kind: str = "xa"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A loaded case: every file was found and every hash matched.

    `field_of_view` is "lower" if a TAVI case shows the access vessels instead of the aortic root. `patient` is None
    where the case cannot tell whose it is.
    """

    folder: Path
    id: str
    kind: CaseKind
    frame_of_reference_uid: str
    files: Mapping[str, CaseFile]
    recordings: tuple[CaseRecording, ...] = ()
    vessels_names: Mapping[int, str] = field(default_factory=dict)
    field_of_view: FieldOfView = "upper"
    patient: PatientHashes | None = None

    def ct(self) -> CtVolume | None:
        """The CTA, or None if the case has none."""
        file = self.files.get("cta")
        if file is None:
            return None
        ct = load_ct(file.path, note=_said_at_creation)
        return CtVolume(
            voxels_hu=ct.voxels_hu,
            lps_from_index=ct.lps_from_index,
            frame_of_reference_uid=self.frame_of_reference_uid,
        )

    def vessel_model(self) -> VesselModel:
        """Surface, centerlines and labels of the case; missing centerlines are derived from the other models.

        Raises:
            InputError: the case holds no vessels at all, or a file is damaged.
        """
        from engines.anatomy.centerlines.model_completion import completed

        paths = {role: file.path for role, file in self.files.items()}
        if not paths.keys() & {"centerlines", "surface", "vessels"}:
            raise InputError(f"{self.folder}: the case has no vessels; make it again with `case create`")
        return completed(
            VesselModel(
                centerlines=load_centerlines(paths["centerlines"]) if "centerlines" in paths else None,
                surface=load_surface(paths["surface"]) if "surface" in paths else None,
                labels=load_labels(paths["vessels"], self.vessels_names) if "vessels" in paths else None,
            ),
            str(self.folder),
            self.kind,
        )


def _said_at_creation(_: str) -> None:
    """What was assumed about a file was said when the case was made."""


class _FileEntry(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    path: str
    sha256: str = Field(pattern=r"^[0-9a-fA-F]{64}$")

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        parts = PurePosixPath(path.replace("\\", "/"))
        if not path or parts.is_absolute() or ".." in parts.parts or ":" in path or "\0" in path:
            raise ValueError(f"{path!r} leads out of the case folder; paths are relative to it")
        return path


class _RecordingEntry(_FileEntry):
    kind: str = "xa"


class _Document(BaseModel):
    """The content of `case.json`; unknown keys (written by other versions) are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)
    schema_name: Literal["guidance-app/case/1"] = Field(alias="schema")
    id: str = Field(min_length=1, max_length=64)
    kind: CaseKind
    frame_of_reference_uid: str = ""
    files: dict[CaseRole, _FileEntry]
    recordings: tuple[_RecordingEntry, ...] = ()
    vessels_names: dict[int, str] = Field(default_factory=dict)
    field_of_view: FieldOfView = "upper"
    patient: PatientHashes | None = None


def load_case(case: Path | str) -> Case:
    """Open a case folder (or its `case.json`), or a bundled case by name: evt, tavi, coronary.

    Raises:
        InputError: the case is missing or unreadable, has another schema, or a file is missing or was changed.
    """
    folder = _find(case)
    document = _read(folder / "case.json")
    files = {
        role: CaseFile(path=_verified(folder, entry), relative=entry.path, sha256=entry.sha256.lower())
        for role, entry in document.files.items()
    }
    recordings = tuple(
        CaseRecording(path=_verified(folder, entry), relative=entry.path, sha256=entry.sha256.lower(), kind=entry.kind)
        for entry in document.recordings
    )
    return Case(
        folder=folder,
        id=document.id,
        kind=document.kind,
        frame_of_reference_uid=document.frame_of_reference_uid,
        files=dict(files),
        recordings=recordings,
        vessels_names=dict(document.vessels_names),
        field_of_view=document.field_of_view,
        patient=document.patient,
    )


def write_case(
    folder: Path | str,
    *,
    case_id: str,
    kind: CaseKind,
    frame_of_reference_uid: str,
    files: Mapping[str, str],
    recordings: Sequence[str | tuple[str, str]] = (),
    vessels_names: Mapping[int, str] | None = None,
    field_of_view: FieldOfView = "upper",
    patient: PatientHashes | None = None,
) -> Path:
    """Write `case.json` for files that already lie in `folder`; returns its path.

    Args:
        folder: the case folder.
        case_id: a pseudonym, never patient text.
        kind: evt, tavi or coronary.
        frame_of_reference_uid: "" if unknown.
        files: maps each role to a path relative to the folder.
        recordings: each a relative path, or (relative path, kind).
        vessels_names: maps each label number to its name.
        field_of_view: what the recordings of a TAVI case show: the root ("upper") or the access vessels ("lower").
        patient: salted hashes of whose case it is; None if unknown.

    Raises:
        InputError: a file is missing, or a value does not fit the schema.
    """
    folder = Path(folder)
    runs = [(run, "xa") if isinstance(run, str) else run for run in recordings]
    content: dict[str, object] = {
        "schema": SCHEMA,
        "id": case_id,
        "kind": kind,
        "frame_of_reference_uid": frame_of_reference_uid,
        "files": {role: _entry(folder, path) for role, path in files.items()},
        "recordings": [{**_entry(folder, path), "kind": run_kind} for path, run_kind in runs],
        "vessels_names": {str(number): name for number, name in (vessels_names or {}).items()},
        "field_of_view": field_of_view,
    }
    if patient is not None:
        content["patient"] = patient.model_dump()
    where = folder / "case.json"
    _validated(content, where)
    write_json(where, content)
    return where


def bundled_cases_folder() -> Path:
    return Path(str(importlib.resources.files("assets"))) / "cases"


def _find(case: Path | str) -> Path:
    name, path = str(case), Path(case)
    if name in BUNDLED:
        folder = bundled_cases_folder() / name
        if not (folder / "case.json").is_file():
            raise InputError(f"{name}: this bundled case is missing from the installation ({folder}); install again")
        return folder
    if path.name == "case.json" and path.is_file():
        path = path.parent
    if not path.is_dir():
        near = difflib.get_close_matches(name.lower(), BUNDLED, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"give a case folder or one of {', '.join(BUNDLED)}"
        raise InputError(f"{name}: no such case; {hint}")
    if not (path / "case.json").is_file():
        raise InputError(f"{path}: has no case.json; make a case with `guidance-app case create`")
    return path.resolve()


def _read(path: Path) -> _Document:
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise InputError(f"{path}: {path.stat().st_size} bytes, expected a short description; make the case again")
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}); make the case again") from error
    return _validated(content, path)


def _validated(content: object, path: Path) -> _Document:
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        found = content.get("schema") if isinstance(content, dict) else type(content).__name__
        raise InputError(f"{path}: schema is {found!r}, expected {SCHEMA!r}; make the case with this version")
    try:
        return _Document.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{path}: {place}: {first['msg']}; make the case again") from error


def _verified(folder: Path, entry: _FileEntry) -> Path:
    try:
        return _checked_file(folder, entry)
    except (OSError, RuntimeError, ValueError) as error:  # empty or too long name, circular links, no permission
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise InputError(
            f"{folder / 'case.json'}: {entry.path[:80]} cannot be read ({reason}); copy the whole case folder again"
        ) from error


def _checked_file(folder: Path, entry: _FileEntry) -> Path:
    path = folder / entry.path
    # A link inside the folder may still lead out of it.
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{folder / 'case.json'}: {entry.path} leads out of the case folder; copy the file into it")
    if not path.is_file():
        raise InputError(f"{path}: is missing, though case.json lists it; copy the whole case folder again")
    found = _sha256(path)
    if found != entry.sha256.lower():
        raise InputError(
            f"{path}: was changed since the case was made (sha256 {found[:12]}..., case.json says "
            f"{entry.sha256[:12].lower()}...); copy the case again or make it anew"
        )
    return path


def _entry(folder: Path, relative: str) -> dict[str, str]:
    path = folder / relative
    if not path.is_file():
        raise InputError(f"{path}: is not there, so the case cannot list it; write it first")
    return {"path": PurePosixPath(relative).as_posix(), "sha256": _sha256(path)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
