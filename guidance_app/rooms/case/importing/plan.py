"""What is to be made of what was found, as a person chose it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engines.anatomy.intake.found import FoundModel, FoundScan
from guidance_app.views.language import tr

KINDS = ("evt", "tavi", "tavi lower", "coronary")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePlan:
    """The arguments of `create_case`; `notes` are said beside those of the making."""

    kind: str
    field_of_view: str
    case_id: str
    cta: Path | None = None
    cta_within: Path | None = None
    phase: int | None = None
    vessels: Path | None = None
    names: str = ""
    surface: Path | None = None
    centerlines: Path | None = None
    placement: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def has_model(self) -> bool:
        """Nothing has to be found in the CTA."""
        return any((self.vessels, self.surface, self.centerlines))

    def sources(self) -> dict[Path, str]:
        """What each source is called where its path must not stand."""
        named = {"the CTA": self.cta, "the labels": self.vessels, "the surface": self.surface,
                 "the centerlines": self.centerlines, "the placement": self.placement,
                 "the CTA's folder": self.cta_within or (self.cta.parent if self.cta is not None else None),
                 "the case": Path("made")}  # fmt: skip
        return {path: words for words, path in named.items() if path is not None}


def planned(kind: str, case_id: str, scan: FoundScan | None, models: Sequence[FoundModel]) -> CasePlan:
    """Put choices together.

    Args:
        kind: one of `KINDS`.
    """
    paths = {model.role: model.path for model in models}
    unclear = [name for model in models for name in model.unclear]
    word = "aorta" if kind.startswith("tavi") and len(unclear) == 1 and not _clear(models) else "artery"
    notes = [f"{name}: its name tells no class; taken as {word}" for name in unclear]
    if scan is not None and scan.doubt:
        notes.append(f"the CTA: {scan.doubt}")
    return CasePlan(
        kind=kind.split()[0],
        field_of_view="lower" if kind.endswith("lower") else "upper",
        case_id=case_id,
        cta=scan.path if scan is not None else None,
        cta_within=scan.within if scan is not None else None,
        phase=scan.phase if scan is not None else None,
        vessels=paths.get("vessels"),
        names=",".join(f"{name}={word}" for name in unclear if not set(name) & set(",=:")),
        surface=paths.get("surface"),
        centerlines=paths.get("centerlines"),
        placement=paths.get("placement") if {"surface", "centerlines"} & set(paths) else None,
        notes=tuple(notes),
    )


def new_id(folder: Path) -> str:
    """A pseudonym that no case in this folder has."""
    while (folder / (name := f"case-{secrets.token_hex(3)}")).exists():
        pass
    return name


def refusal_of_name(name: str, folder: Path) -> str:
    """Why a case cannot have this name; "" where it can."""
    if not _ID.fullmatch(name):
        return tr("Name the case with letters, digits, - and _ alone; a pseudonym, never the patient's name")
    if (folder / name).exists():
        return tr("A case {name} is there already; choose another name, it stays as it is").format(name=name)
    return ""


def _clear(models: Sequence[FoundModel]) -> bool:
    return any(set(model.structures) - set(model.unclear) for model in models)
