"""Before a fusion is open: open a folder, take up a recent one, or fuse a case here."""

from __future__ import annotations

from pathlib import Path

from guidance_app.panels.jobs.work import Work
from guidance_app.panels.result_start import ResultStart, StartField
from guidance_app.rooms.cmr.fuse_work import fuse_into


class StartPlace(ResultStart):
    title = "Cardiac MR perfusion laid onto the coronary CT"
    hint = "Open a result, drop a result or case folder here, or fuse a case:"
    run_words = "Fuse"
    mark = "result.json"
    form = (
        StartField(id="cta", words="CT (DICOM folder or NIfTI)", names=("cta.nii.gz", "cta"), needed=True),
        StartField(
            id="perfusion", words="Perfusion (DICOM series or folder)", names=("perfusion",), folder=True, needed=True
        ),
        StartField(id="ct_masks", words="CT masks (folder, optional)", names=("ct_masks",), folder=True),
        StartField(
            id="coronaries",
            words="Coronaries (VTP, VTK, CSV, optional)",
            names=("coronaries.vtp", "coronaries.vtk", "coronaries.csv"),
        ),
    )

    def _work(self, out: Path, given: dict[str, str]) -> Work:
        return Work(words="CMR fusion", run=fuse_into, out=out, arguments=given)
