"""Names of labels from the files that segmentation programs put beside a label volume.

nnU-Net `dataset.json` (github MIC-DKFZ/nnUNet, both versions), BIDS `dseg.tsv` (columns index and name), ITK-SNAP label
descriptions, colour tables of 3D Slicer (.ctbl, .txt, .csv) and FreeSurfer, dcmqi's segmentAttributes, and plain JSON.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from calibration.errors import InputError

_MAX_BYTES = 4 * 1024**2
_MAX_LABEL = 65535
_SUFFIXES = (".json", ".tsv", ".label", ".ctbl", ".csv", ".txt", ".lut")
_COMMON_STEMS = ("dataset", "dseg", "labels", "label_names", "labelmap", "label_map", "names", "lut", "classes")
# IDX R G B A VIS MSH "LABEL", as ITK-SNAP writes it under a comment that says so.
_SNAP = re.compile(r'^\s*(\d+)\s+\d+\s+\d+\s+\d+\s+[\d.]+\s+[01]\s+[01]\s+"(.*)"\s*$')
# Number, name, R G B and perhaps A: 3D Slicer's and FreeSurfer's tables.
_COLOUR = re.compile(r"^\s*(\d+)\s+(.+?)\s+[\d.]+\s+[\d.]+\s+[\d.]+(?:\s+[\d.]+)?\s*$")
_NUMBER_COLUMNS = ("labelvalue", "label_value", "index", "value", "id", "label", "labelid", "number", "no", "no.")
_NAME_COLUMNS = ("name", "label_name", "labelname", "structure", "segmentlabel", "description", "region")
_JSON_KEYS = ("labels", "label_names", "labelmap", "label_map", "LabelMap", "names", "segments", "segmentAttributes",
              "classes", "Labels")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class NamesFile:
    """What a file calls the labels; empty, with no path, where nothing was found."""

    names: dict[int, str]
    path: Path | None = None


def read_names(path: Path | str) -> NamesFile:
    """Names of labels from a file in any of the known forms.

    Raises:
        InputError: not there, no such form, or a label that is named twice.
    """
    path = Path(path)
    found = _names_in(path)
    if not found:
        raise InputError(
            f"{path}: names no label; expected nnU-Net's dataset.json, a BIDS dseg.tsv, ITK-SNAP label descriptions or "
            "a colour table of 3D Slicer; give --names 1=artery,2=vein"
        )
    return NamesFile(names=found, path=path)


def names_beside(volume: Path) -> NamesFile:
    """Names from the file that belongs to a label volume: of its own name, else one for the whole folder.

    Raises:
        InputError: such a file is damaged, or names a label twice.
    """
    for candidate in _candidates(volume):
        if names := _names_in(candidate):
            return NamesFile(names=names, path=candidate)
    return NamesFile(names={})


def volume_stem(volume: Path) -> str:
    """The file's name without .nii, .nii.gz, .nrrd, .seg.nrrd."""
    return re.sub(r"(\.nii(\.gz)?|(\.seg)?\.nrrd|\.nhdr)$", "", volume.name, flags=re.IGNORECASE)


def _candidates(volume: Path) -> Iterator[Path]:
    stem, folder = volume_stem(volume), volume.parent
    own = [folder / f"{stem}{suffix}" for suffix in _SUFFIXES]
    own += sorted(folder.glob(f"{_escaped(stem)}*[Cc]olor[Tt]able*"))
    above = [folder, folder.parent, folder.parent.parent]
    shared = [place / f"{common}{suffix}" for place in above[:2] for common in _COMMON_STEMS for suffix in _SUFFIXES]
    shared += [place / "dseg.tsv" for place in above]  # BIDS: a table further up holds for all below
    for pattern in ("*dseg.tsv", "*.label", "*.ctbl"):
        only = sorted(folder.glob(pattern))
        shared += only if len(only) == 1 else []
    seen: set[Path] = set()
    for path in (*own, *shared):
        if path not in seen and path.is_file() and path.suffix.lower() in _SUFFIXES:
            seen.add(path)
            yield path


def _escaped(stem: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", stem)


def _names_in(path: Path) -> dict[int, str]:
    """Label to name; empty where the file is about something else."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            return {}
        text = path.read_bytes().decode("utf-8-sig", "replace")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give the file that names the labels") from error
    if path.suffix.lower() == ".json":
        try:
            pairs = list(_json_pairs(json.loads(text)))
        except (json.JSONDecodeError, RecursionError) as error:
            raise InputError(
                f"{path}: is no JSON ({error}), so the labels have no names; repair or remove it"
            ) from error
    else:
        pairs = [*_line_pairs(text)] or [*_table_pairs(text)]
    return _unique(pairs, path)


def _unique(pairs: Iterable[tuple[int, str]], path: Path) -> dict[int, str]:
    names: dict[int, str] = {}
    for number, name in pairs:
        if number and names.setdefault(number, name) != name:
            raise InputError(f"{path}: label {number} is named twice, {names[number]!r} and {name!r}; keep one of them")
    return names


def _json_pairs(content: object) -> Iterator[tuple[int, str]]:
    if isinstance(content, dict):
        for key in _JSON_KEYS:
            if isinstance(content.get(key), dict | list):
                yield from _json_pairs(content[key])
                return
        for key, value in content.items():
            if _label(value) is not None and _label(key) is None:
                yield from _pair(value, key)  # {"artery": 1}
            elif _label(key) is not None and isinstance(value, str):
                yield from _pair(key, value)  # {"1": "artery"}
            elif _label(key) is not None and isinstance(value, dict):
                yield from _pair(key, _first(value, _NAME_COLUMNS))
    elif isinstance(content, list):
        for item in content:
            if isinstance(item, list):
                yield from _json_pairs(item)  # dcmqi nests them once more
            elif isinstance(item, dict):
                number = _first(item, ("labelID", *_NUMBER_COLUMNS))
                yield from _pair(number, _first(item, ("SegmentLabel", "SegmentDescription", *_NAME_COLUMNS)))


def _first(item: dict[str, object], keys: Iterable[str]) -> object:
    by_key = {key.lower(): value for key, value in item.items()}
    return next((by_key[key.lower()] for key in keys if key.lower() in by_key), None)


def _label(value: object) -> int | None:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]  # nnU-Net's regions of one label
    if isinstance(value, bool) or not isinstance(value, int | str) or not re.fullmatch(r"\d{1,5}", str(value)):
        return None
    return int(value) if int(value) <= _MAX_LABEL else None


def _pair(number: object, name: object) -> Iterator[tuple[int, str]]:
    label = _label(number)
    if label is not None and isinstance(name, str) and name.strip():
        yield label, name.strip()


def _line_pairs(text: str) -> Iterator[tuple[int, str]]:
    for line in text.splitlines():
        if found := _SNAP.match(line) or _COLOUR.match(line):
            yield from _pair(found[1], found[2].strip('"').strip())


def _table_pairs(text: str) -> Iterator[tuple[int, str]]:
    """Tables with a head: BIDS, and 3D Slicer's colour tables as CSV."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        return
    mark = next((mark for mark in ("\t", ";", ",") if mark in lines[0]), ",")
    rows = list(csv.reader(lines, delimiter=mark, skipinitialspace=True))
    head = [cell.strip().strip('"').lower() for cell in rows[0]]
    numbers = [head.index(name) for name in _NUMBER_COLUMNS if name in head]
    names = [head.index(name) for name in (*_NAME_COLUMNS, "label") if name in head]
    if not numbers or not names or numbers[0] == names[0]:
        return
    for row in rows[1:]:
        if max(numbers[0], names[0]) < len(row):
            yield from _pair(row[numbers[0]].strip(), row[names[0]].strip().strip('"'))
