"""Before a registration is open: open a folder, take up a recent one, or register a pullback here."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtWidgets import QComboBox, QFormLayout

from engines.ivus.files.session_file import NAME as SESSION
from guidance_app.panels.jobs.work import Work
from guidance_app.panels.result_start import ResultStart, StartField
from guidance_app.rooms.ivus.register_work import register_into


class StartPlace(ResultStart):
    title = "Intravascular ultrasound laid into the coronary CT"
    hint = "Open a result, drop a result or case folder here, or register a pullback:"
    run_words = "Register"
    mark = SESSION
    form = (
        StartField(id="cta", words="CT (DICOM folder or NIfTI)", names=("cta.nii.gz", "cta"), needed=True),
        StartField(
            id="centerline",
            words="Centerline (VTP, VTK, CSV)",
            names=("centerline.csv", "centerline.vtp", "centerline.vtk"),
            needed=True,
        ),
        StartField(id="pullback", words="Pullback (DICOM file or folder)", names=("pullback", "pullback.dcm")),
        StartField(id="contours", words="or contours (folder)", names=("contours",), folder=True),
    )

    def _add_rows(self, form: QFormLayout) -> None:
        self.method = QComboBox()
        self.method.addItems(["ours", "paper"])
        form.addRow("Method", self.method)

    def _found(self, folder: Path) -> dict[str, Path | None]:
        found = super()._found(folder)
        return found if found["pullback"] is None else {**found, "contours": None}

    def _conflict(self, given: dict[str, str]) -> str:
        together = bool(given["pullback"]) == bool(given["contours"])
        return "Give a pullback or contours, one of them" if together else ""

    def _work(self, out: Path, given: dict[str, str]) -> Work:
        arguments = {**given, "method": self.method.currentText()}
        return Work(words="IVUS registration", run=register_into, out=out, arguments=arguments)
