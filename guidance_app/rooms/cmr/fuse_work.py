"""One fusion as a job in a process of its own."""

from __future__ import annotations

from pathlib import Path

from guidance_app.panels.jobs.work import TellProgress


def fuse_into(folder: Path, tell: TellProgress, *, cta: str, perfusion: str, ct_masks: str, coronaries: str) -> None:
    """Fuse one case and write the result's files; "" for masks or coronaries that were not given.

    Raises:
        InputError: an input cannot be used.
    """
    from engines.cmr.fuse_files import fuse_files

    fuse_files(
        Path(cta), Path(perfusion), folder,
        ct_masks=Path(ct_masks) if ct_masks else None, coronaries=Path(coronaries) if coronaries else None,
        case="", progress=tell,
    )  # fmt: skip
