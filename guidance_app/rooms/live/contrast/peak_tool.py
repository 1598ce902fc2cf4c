"""Says of a picture that it was put together from the frames of an injection."""

from __future__ import annotations

from engines.angiography.roadmaps.injections import Injection
from guidance_app.views import palette
from guidance_app.views.language import tr
from guidance_app.views.overlay_look import Badge
from guidance_app.views.picture_tool import PictureTool


class PeakTool(PictureTool):
    """No overlay belongs to such a picture: its vessels filled one after the other, while heart and breath went on."""

    def __init__(self) -> None:
        self.injection: Injection | None = None

    @property
    def hides_overlay(self) -> bool:
        return self.injection is not None

    @property
    def badge(self) -> Badge | None:
        if self.injection is None:
            return None
        words = tr("PEAK OPACIFICATION - NOT LIVE, frames {first} to {last}")
        text = words.format(first=self.injection.first + 1, last=self.injection.last + 1)
        return Badge(text=text, shape="triangle", colour=palette.NOT_CURRENT)
