"""The vessels of the last injection over the present pictures, as long as these show the same view."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from PyQt6.QtCore import QRectF
from PyQt6.QtGui import QImage, QPainter

from engines.angiography.frame import Frame
from engines.angiography.roadmaps.roadmap import Roadmap
from guidance_app.live.guidance import ScreenState
from guidance_app.rooms.live.contrast.contrast_watcher import BoneCheck, HeldRoadmap
from guidance_app.rooms.live.measuring.way_back import way_back
from guidance_app.views.language import tr
from guidance_app.views.picture_tool import PaintedPicture, PictureTool
from guidance_app.views.reason_words import seconds_text

Standing = Literal["off", "none", "waiting", "held", "unchecked", "moved", "other view", "other size", "other patient"]

_CHECK_FRAMES = 30  # a look at the bones counts for as many pictures; five come in a second
_SHORT = 16  # letters of a source's name on the picture


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadmapState:
    """What is said of a roadmap, and whether it is painted.

    Args:
        standing: `held`: the view is the same and the bones lie where they did; `unchecked`: nothing is known of one
            of the two; all others paint nothing.
        why: what differs, for a person.
        back: how to turn the C-arm to the roadmap's view; "" where that is not the matter.
        age_s: None where nobody can tell.
    """

    standing: Standing = "off"
    why: str = ""
    back: str = ""
    age_s: float | None = None

    @property
    def is_painted(self) -> bool:
        return self.standing in ("held", "unchecked")


def state_of(
    roadmap: Roadmap, check: BoneCheck | None, screen: ScreenState, *, shift_px: tuple[float, float],
    age_s: float | None,
) -> RoadmapState:  # fmt: skip
    """Whether the roadmap may be painted on this picture.

    Args:
        check: the newest look at the bones; one of another roadmap or an older picture does not count.
        shift_px: by which a person, or the machine when asked, has moved the roadmap, (rows, columns).
    """
    frame = screen.frame
    assert frame is not None
    say = RoadmapState(age_s=age_s)
    view = roadmap.view_of(frame)
    if view == "other patient" or screen.patient == "other":
        return replace(say, standing="other patient", why=tr("another patient"))
    if view == "other size":
        return replace(say, standing="other size", why=tr("another field or picture size"))
    if view == "other view":
        assert roadmap.frame.geometry is not None
        back = way_back(frame.geometry, roadmap.frame.geometry)
        why = tr("another view") if back else tr("table or C-arm moved")
        return replace(say, standing="other view", why=why, back=back)
    if roadmap.anchor is None or (frame.kind == "dsa" and frame.native is None):
        return replace(say, standing="unchecked", why=tr("not checked for motion"))
    if check is None or not _counts(check, roadmap, frame):
        return replace(say, standing="waiting", why=tr("looking whether the picture has moved"))
    if check.move is None:
        return replace(say, standing="unchecked", why=tr("not checked for motion"))
    if not roadmap.holds(check.move, shift_px):
        moved = roadmap.moved_px(check.move, shift_px)
        why = tr("picture moved by {px} px").format(px=f"{moved:.0f}") if moved > 1.0 else tr("picture has changed")
        return replace(say, standing="moved", why=why)
    if view == "unstated":
        return replace(say, standing="unchecked", why=tr("the source states no angles"))
    return replace(say, standing="held")


def _counts(check: BoneCheck, roadmap: Roadmap, frame: Frame) -> bool:
    if check.roadmap is not roadmap or check.frame.source_id != frame.source_id:
        return False
    return abs(frame.index - check.frame.index) <= _CHECK_FRAMES


class RoadmapTool(PictureTool):
    """Painted above the model's overlay, below the words.

    Attributes:
        held: the roadmap; None before there is one.
        state: whether it may be painted.
        shift_px: by which it is moved, (rows, columns).
        counted: how many injections and frames there were, in words.
        filled: the picture itself holds contrast now.
        covered: a picture of the whole injection is shown, which has all vessels itself.
    """

    def __init__(self) -> None:
        self.held: HeldRoadmap | None = None
        self.state = RoadmapState()
        self.shift_px = (0.0, 0.0)
        self.counted = ""
        self.filled = self.covered = False
        self.source_id = ""  # of the picture on the screen
        self._image: QImage | None = None
        self._image_of: HeldRoadmap | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        if self.state.standing == "off" or self.covered:
            return ()
        if self.held is None:
            return (tr("ROADMAP: no injection seen yet"),)
        if not self.state.is_painted:
            return (tr("ROADMAP HIDDEN: {why}").format(why=self.state.why),)
        words = tr("ROADMAP {taken} - {age}").format(taken=self._taken(), age=self._age())
        return (words,) if self.state.standing == "held" else (f"{words}, {self.state.why}",)

    @property
    def lines(self) -> tuple[str, ...]:
        if self.state.standing == "off":
            return ()
        if self.state.back:
            return (tr("To the roadmap's view: {back}").format(back=self.state.back), self.counted)
        age_s = self.state.age_s
        if self.state.standing != "held" or self.filled or age_s is None or age_s < 0.0:
            return (self.counted,)
        if self.held is not None and self.held.roadmap.first == self.held.roadmap.last:
            return (tr("Roadmap of one heart phase: vessels move beside it"), self.counted)
        spared = tr("Contrast not needed: roadmap is {age}").format(age=self._age())
        return (spared, self.counted)

    def paint(self, painter: QPainter, picture: PaintedPicture) -> None:
        if self.held is None or not self.state.is_painted or self.covered:
            return
        if picture.frame.shape_px != self.held.roadmap.frame.shape_px:
            return
        if self._image is None or self._image_of is not self.held:
            pixels = self.held.picture
            rows, columns = pixels.shape[:2]
            self._image_of = self.held
            self._image = QImage(pixels.data, columns, rows, 4 * columns, QImage.Format.Format_RGBA8888_Premultiplied)  # pyright: ignore[reportCallIssue, reportArgumentType] - any buffer will do
        down, right = self.shift_px
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        at = QRectF(self._image.rect()).translated(right, down)
        painter.drawImage(picture.placing.view_from_frame.mapRect(at), self._image)

    def _taken(self) -> str:
        """Which frames, and of which run where that is not the one on the screen."""
        assert self.held is not None
        roadmap = self.held.roadmap
        first, last = roadmap.first + 1, roadmap.last + 1
        frames = tr("frame {number}").format(number=first)
        if last > first:
            frames = tr("frames {first} to {last}").format(first=first, last=last)
        source = roadmap.frame.source_id
        if source == self.source_id:
            return frames
        short = source if len(source) <= _SHORT else f"{source[: _SHORT - 1]}\u2026"
        return f"{short} {frames}"

    def _age(self) -> str:
        age_s = self.state.age_s
        if age_s is None:
            return tr("age unknown")
        if age_s < 0.0:  # a recording was turned back
            return tr("taken {age} later").format(age=seconds_text(-age_s))
        return tr("{age} old").format(age=seconds_text(age_s))
