"""The benchmark room behind `Room`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from guidance_app.panels.action import Action
from guidance_app.panels.icons import IconName
from guidance_app.rooms.place_room import PlaceRoom
from guidance_app.rooms.room import House
from guidance_app.settings import data_folder
from guidance_app.views.language import tr

if TYPE_CHECKING:  # a window makes all rooms at its start
    from engines.anatomy.cases.case import Case
    from guidance_app.rooms.benchmark.place import BenchmarkPlace


class BenchmarkRoom(PlaceRoom["BenchmarkPlace"]):
    """Measures the live path of the house's case.

    Args:
        folder: runs are kept here; the platform's data folder without one.
    """

    id = "benchmark"
    name = "Bench"
    icon: IconName = "bench"
    hint = "A run as A    B run as B    E export"

    def __init__(self, house: House, *, folder: Path | None = None) -> None:
        super().__init__(house)
        self._folder = folder

    def _made_place(self) -> BenchmarkPlace:
        from guidance_app.rooms.benchmark.place import BenchmarkPlace

        place = BenchmarkPlace(self._house, self._folder or data_folder())
        place.dress(_actions(place))
        return place

    def actions(self) -> tuple[Action, ...]:
        return _actions(self.widget)

    def enter(self, case: Case | None) -> None:
        self.widget.take_case(case)

    def close(self) -> None:
        if self.is_made:
            self.widget.close_place()


def _actions(place: BenchmarkPlace) -> tuple[Action, ...]:
    def nothing_runs() -> str:
        return "" if place.job is not None else tr("No benchmark is running")

    return (
        Action(id="benchmark.run-a", words=tr("Measure the live path as A"), keys=("A",),
               press=lambda: place.measure("A"), refusal=place.cannot_measure),
        Action(id="benchmark.run-b", words=tr("Measure the live path as B"), keys=("B",),
               press=lambda: place.measure("B"), refusal=place.cannot_measure),
        Action(id="benchmark.cancel", words=tr("Cancel the benchmark"), press=place.cancel, refusal=nothing_runs),
        Action(id="benchmark.open", words=tr("Open an earlier latency.json"), keys=("Ctrl+O",), press=place.open_file),
        Action(id="benchmark.swap", words=tr("Swap A and B"), press=place.swap),
        Action(id="benchmark.clear", words=tr("Clear both runs from the table"), press=place.clear),
        Action(id="benchmark.export", words=tr("Export JSON, CSV and PNG"), keys=("E",), press=place.export),
    )  # fmt: skip
