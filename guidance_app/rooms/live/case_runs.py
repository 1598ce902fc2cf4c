"""The runs of one case, one after the other on one engine: the pose of the patient goes on from run to run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from guidance_app.rooms.live.guided_session import GuidedSession

if TYPE_CHECKING:
    from engines.anatomy.cases.case import Case
    from guidance_app.live.guidance_state import Situation
    from guidance_app.live.session.session import LiveSession
    from guidance_app.live.supervision.shared_engine import SharedEngine


class Runs(Protocol):
    """Opens the sessions of one case."""

    def open(self, source: str | Path, *, resumed: Situation | None = None) -> GuidedSession:
        """A session on a source URI or the path of a recorded run; the caller starts and ends it.

        Args:
            resumed: where guidance begins; without it a later run goes on from the run before.

        Raises:
            GuidanceError: it cannot be read.
        """
        ...

    def stop(self) -> None:
        """End what the sessions shared; twice is harmless."""
        ...


class CaseRuns:
    """The real ones. A recorded run shows its first picture at once and plays when the engine is ready."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._engine: SharedEngine | None = None
        self._session: LiveSession | None = None

    def open(self, source: str | Path, *, resumed: Situation | None = None) -> GuidedSession:
        from guidance_app.live.engine.case_pipeline import case_recipe
        from guidance_app.live.session.opening import open_session
        from guidance_app.live.supervision.shared_engine import SharedEngine
        from guidance_app.sources.uri import FileUri, open_source, parse_source_uri

        uri = FileUri(path=source) if isinstance(source, Path) else parse_source_uri(source)
        # A person at a window wants to go back to what was just seen, not to see it close.
        opened = open_source(uri, hold_at_end=True)
        if self._engine is None:
            self._engine = SharedEngine(case_recipe(self._case))
        before = None if self._session is None else self._session.situation
        if resumed is not None and before is not None:
            # What was asked of the engine for the run before is told from what is asked for this one.
            resumed = replace(resumed, generation=before.generation + 1, revision=before.revision + 1)
        self._session = open_session(
            self._case, opened, engine=self._engine, before=before, resumed=resumed, first_at_once=True
        )
        return self._session

    def stop(self) -> None:
        if self._engine is not None:
            self._engine.stop()
