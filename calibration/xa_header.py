"""The numbers in the header of an X-ray angiographic object, classic or enhanced, read without trusting it."""

from __future__ import annotations

from pydicom.dataset import Dataset

from calibration.dicom_values import attribute_name, stored_numbers
from calibration.errors import InputError, MissingGeometryError

WAY_OUT = "it is never guessed; have the machine export the run with it"


class Header:
    """The numbers of one frame's header; every error names file and attribute."""

    def __init__(self, *, dataset: Dataset, frame: int, source: str, enhanced: bool) -> None:
        self.dataset, self.frame, self.source, self.enhanced = dataset, frame, source, enhanced
        self.frames = int(self.number("NumberOfFrames") or 1)
        if not 0 <= frame < self.frames:
            raise InputError(f"{source}: has {self.frames} frames, no frame {frame} (frames count from 0)")

    def place(self, group: str) -> Dataset | None:
        """The data set that holds an attribute: the object itself, or the frame's group of an enhanced object."""
        if not self.enhanced:
            return self.dataset
        per_frame = self.dataset.get("PerFrameFunctionalGroupsSequence") or ()
        if per_frame and len(per_frame) != self.frames:
            raise MissingGeometryError(
                f"{self.source}: {len(per_frame)} per-frame groups for {self.frames} frames; the file is damaged"
            )
        shared = self.dataset.get("SharedFunctionalGroupsSequence") or ()
        for holder in (*(per_frame[self.frame : self.frame + 1]), *shared[:1]):
            items = holder.get(group)
            if items:
                return items[0]
        return None

    def numbers(self, keyword: str, place: Dataset | None = None) -> list[float] | None:
        """Finite values; None if the attribute is absent or empty. Raises MissingGeometryError for invalid values."""
        try:
            return stored_numbers(self.dataset if place is None else place, keyword)
        except ValueError as error:
            raise MissingGeometryError(f"{self.source}: {error}; {WAY_OUT}") from error

    def number(self, keyword: str, place: Dataset | None = None) -> float | None:
        values = self.numbers(keyword, place)
        return values[0] if values else None

    def required(self, keyword: str, group: str) -> float:
        place = self.place(group)
        value = self.number(keyword, place) if place is not None else None
        if value is None:
            raise self.missing(keyword)
        return value

    def missing(self, keyword: str, why: str = "") -> MissingGeometryError:
        return MissingGeometryError(f"{self.source}: no {attribute_name(keyword)}{why}; {WAY_OUT}")

    def implausible(self, keyword: str, found: object, expected: str) -> MissingGeometryError:
        return MissingGeometryError(
            f"{self.source}: {attribute_name(keyword)} is {found}, expected {expected}; {WAY_OUT}"
        )

    def shape_px(self) -> tuple[int, int]:
        rows, columns = self.number("Rows"), self.number("Columns")
        if not rows or not columns or rows < 1 or columns < 1:
            raise InputError(f"{self.source}: Rows x Columns is {rows} x {columns}; the file is damaged")
        return int(rows), int(columns)
