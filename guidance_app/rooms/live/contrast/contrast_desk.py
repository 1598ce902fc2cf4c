"""What a person does with contrast on the screen: masks and their shift, peak opacification, the roadmap.

All of it is for the eye alone: guidance reads the frames as they came.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from calibration.errors import InputError
from engines.angiography.field_of_view import find_field_of_view
from engines.angiography.frame import Frame
from engines.angiography.roadmaps.eye_mask import EyeMask, mask_fits
from engines.angiography.roadmaps.roadmap import age_s
from guidance_app.live.guidance import ScreenState
from guidance_app.rooms.live.contrast.contrast_watcher import ContrastWatcher, Seen
from guidance_app.rooms.live.contrast.peak_tool import PeakTool
from guidance_app.rooms.live.contrast.roadmap_tool import RoadmapState, RoadmapTool, state_of
from guidance_app.rooms.live.guided_session import GuidedSession
from guidance_app.views.language import tr
from guidance_app.views.live_view import LiveView
from guidance_app.views.picture_change import PictureChange, frames_text, shift_text

COARSE_PX, FINE_PX = 1.0, 0.1
ANATOMY_STEP = 0.1
_LARGEST_PX = 50.0  # beyond it nothing of a mask belongs to the picture


class ContrastDesk:
    """One for the room; a roadmap outlives the run that it was made of, not the case.

    Args:
        say: shows a line for a while.
        clock_ns: monotonic.
    """

    def __init__(
        self, view: LiveView, *, say: Callable[[str], None], clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._view, self._say, self._clock_ns = view, say, clock_ns
        self._kind = ""
        self._case = ""
        self._watcher: ContrastWatcher | None = None
        self._before = (0, 0)  # injections and frames of the runs before this one
        self._looked_at: tuple[object, ...] = ()  # what was known when it was looked at
        self._second = -1
        self._found_shift: tuple[EyeMask, tuple[float, float]] | None = None
        self._peak = False
        self.roadmap = RoadmapTool()
        self.peak = PeakTool()

    # The session

    def take(self, case_id: str, kind: str) -> None:
        """Whose runs are shown from now on; nothing of another patient is held."""
        if case_id == self._case:
            return
        self._case, self._kind = case_id, kind
        self._before = (0, 0)
        self._take_off()
        self.roadmap.held = None

    def session_taken(self, session: GuidedSession | None) -> None:
        """Another run is shown: its frames are watched from now on."""
        if self._watcher is not None:
            self._before = self.counts
            self._watcher.end()
        self._peak = False
        self.peak.injection, self.roadmap.covered = None, False
        self._found_shift = None
        self._view.set_change(None)
        self._watcher = ContrastWatcher(self._kind)
        if self.roadmap.state.standing != "off":
            self._watcher.want_roadmap(True)
        if session is not None:
            session.add_witness(self._watcher)

    def close(self) -> None:
        """Twice is harmless."""
        if self._watcher is not None:
            self._watcher.end()

    @property
    def seen(self) -> Seen:
        return Seen() if self._watcher is None else self._watcher.seen

    @property
    def counts(self) -> tuple[int, int]:
        """Injections and frames since the case was opened."""
        return self._before[0] + self.seen.injections, self._before[1] + self.seen.frames

    def see(self, screen: ScreenState) -> None:
        """Look at what is new; called with every turn of the window's timer, and costs nothing where nothing is."""
        watcher = self._watcher
        if watcher is None or screen.frame is None:
            return
        second = self._clock_ns() // 10**9 if self.roadmap.state.standing != "off" else 0
        news = (screen, watcher.seen, watcher.made, watcher.check, self._found_shift)
        if second == self._second and all(one is other for one, other in zip(news, self._looked_at, strict=False)):
            return
        self._looked_at, self._second = news, second
        self._take_found_shift()
        self._show_peak()
        if self.roadmap.state.standing != "off":
            self._show_roadmap(screen, watcher)

    # Why something cannot be done now, "" where it can

    def no_mask(self) -> str:
        """Refuses a picture that was subtracted before it came."""
        screen = self._view.screen_state
        if screen is None or screen.frame is None:
            return tr("No picture yet")
        if self._mask is None and screen.frame.kind == "dsa":
            return tr("This run is subtracted already")
        return ""

    def no_proposed_mask(self) -> str:
        if refusal := self.no_mask():
            return refusal
        return "" if self._proposed() else tr("No frame without contrast is known yet; M takes this one")

    def no_shift(self) -> str:
        if self._mask is not None or (self.roadmap.held is not None and self.roadmap.state.standing != "off"):
            return ""
        frame = self._frame()
        if frame is not None and frame.kind == "dsa":
            return tr("This run is subtracted already, with the shift that it came with")
        return tr("No mask and no roadmap to shift; M or Shift+M takes a mask, Shift+R shows the roadmap")

    def no_anatomy(self) -> str:
        if self._mask is not None:
            return ""
        frame = self._frame()
        if frame is not None and frame.kind == "dsa":
            return tr("This run was subtracted before it came: its anatomy is not known")
        return tr("No mask: all anatomy is there; M or Shift+M takes one")

    def no_peak(self) -> str:
        if self._frame() is None:
            return tr("No picture yet")
        return "" if self._peak or self.seen.injection is not None else tr("No injection has been seen in this run")

    def no_roadmap(self) -> str:
        if self._frame() is None:
            return tr("No picture yet")
        known = self.roadmap.state.standing != "off" or self.roadmap.held is not None
        return "" if known or self.seen.injection is not None else tr("No injection has been seen yet")

    # Masks

    def take_mask(self) -> str:
        """The present frame as mask, again: off."""
        if self._mask is not None:
            self._set(PictureChange(peak=self._change.peak))
            return tr("Mask off")
        frame = self._frame()
        return self.no_mask() if frame is None or self.no_mask() else self._subtract((frame,))

    def take_proposed_mask(self) -> str:
        """The mean of the frames before contrast; again: of the newest ones without contrast."""
        if refusal := self.no_proposed_mask():
            return refusal
        return self._subtract(self._proposed())

    def _proposed(self) -> tuple[Frame, ...]:
        injection, seen = self.seen.injection, self.seen
        before = () if injection is None else injection.mask
        now = self._frame()
        found = [some for some in (before, seen.unfilled) if some and now is not None and mask_fits(some[-1], now)]
        used = self._mask.frames if self._mask is not None else ()
        return next((frames for frames in found if not _same(frames, used)), found[0] if found else ())

    def _subtract(self, frames: tuple[Frame, ...]) -> str:
        try:
            mask = EyeMask(frames)
        except InputError as error:
            return str(error)
        self._set(PictureChange(mask=mask, anatomy=self._change.anatomy, peak=self._change.peak))
        words = tr("Mask: frame {frames}. Guidance reads the frames as they came")
        if len(frames) > 1:
            words = tr("Mask: mean of frames {frames}, without contrast. Guidance reads the frames as they came")
        return words.format(frames=frames_text(frames))

    # Pixel shift

    def shift(self, down_px: float, right_px: float) -> str:
        """Move the mask, or without one the roadmap, by this much."""
        if refusal := self.no_shift():
            return refusal
        down, right = self._change.shift_px if self._mask is not None else self.roadmap.shift_px
        return self._shift_to((down + down_px, right + right_px))

    def reset_shift(self) -> str:
        return self.no_shift() or self._shift_to((0.0, 0.0))

    def find_shift(self) -> str:
        """Let the pictures tell how the mask, or without one the roadmap, lies best."""
        if refusal := self.no_shift():
            return refusal
        frame, mask, watcher = self._frame(), self._mask, self._watcher
        if frame is None or watcher is None:
            return tr("No picture yet")
        if mask is None:
            return self._roadmap_after_bones()
        if not mask.fits(frame):
            return tr("The mask is of another view; Shift+M takes a new one")

        def find() -> None:
            field = find_field_of_view(frame.pixels.astype("float32"))
            self._found_shift = mask, mask.best_shift_px(frame, field)

        watcher.do(find)
        return tr("Looking for the shift of the mask")

    def _roadmap_after_bones(self) -> str:
        check = None if self._watcher is None else self._watcher.check
        if check is None or check.move is None or self.roadmap.held is None:
            return tr("The bones of this picture cannot be compared with the roadmap's")
        right, down = check.move.shift_px
        return self._shift_to((down, right))

    def _take_found_shift(self) -> None:
        found, self._found_shift = self._found_shift, None
        if found is None or found[0] is not self._mask:
            return
        self._say(self._shift_to(found[1]) if any(found[1]) else tr("No shift makes the mask fit better"))

    def _shift_to(self, shift_px: tuple[float, float]) -> str:
        down, right = (round(min(max(part, -_LARGEST_PX), _LARGEST_PX), 1) + 0.0 for part in shift_px)
        if self._mask is not None:
            self._set(replace(self._change, shift_px=(down, right)))
            return tr("Mask {moved}").format(moved=shift_text((down, right)))
        self.roadmap.shift_px = down, right
        self._look_again()
        return tr("Roadmap {moved}").format(moved=shift_text((down, right)))

    # Anatomy and peak

    def fade_anatomy(self, by: float) -> str:
        if refusal := self.no_anatomy():
            return refusal
        anatomy = round(min(max(self._change.anatomy + by, 0.0), 1.0), 2)
        self._set(replace(self._change, anatomy=anatomy))
        return tr("Anatomy {share} %").format(share=round(100 * anatomy))

    def toggle_peak(self) -> str:
        """All that the last injection has filled in one picture, again: back to the frames."""
        if refusal := self.no_peak():
            return refusal
        self._peak = not self._peak
        self._show_peak()
        self._view.update()
        return tr("All that the injection has filled, in one picture") if self._peak else tr("Back to the frames")

    def _show_peak(self) -> None:
        injection = self.seen.injection if self._peak else None
        self.peak.injection = injection
        self.roadmap.covered = injection is not None
        _lay(self._view, self.peak, there=injection is not None)
        peak = None if injection is None else injection.peak
        if peak is not self._change.peak:
            self._set(replace(self._change, peak=peak))

    # Roadmap

    def toggle_roadmap(self) -> str:
        """The vessels of the last injection over the pictures, again: off."""
        if refusal := self.no_roadmap():
            return refusal
        if self.roadmap.state.standing != "off":
            self._take_off()
            return tr("Roadmap off")
        self.roadmap.state = RoadmapState(standing="waiting", why=tr("is being made"))
        self.roadmap.shift_px = (0.0, 0.0)
        _lay(self._view, self.roadmap, there=True)
        if self._watcher is not None:
            self._watcher.want_roadmap(True)
        self._look_again()
        return tr("Roadmap of the last injection: pictures of contrast, not the model")

    def _take_off(self) -> None:
        self.roadmap.state = RoadmapState()
        _lay(self._view, self.roadmap, there=False)
        if self._watcher is not None:
            self._watcher.want_roadmap(False)
            self._watcher.watch_bones(None)
        self._view.update()

    def _show_roadmap(self, screen: ScreenState, watcher: ContrastWatcher) -> None:
        tool = self.roadmap
        if watcher.made is not None and watcher.made is not tool.held:
            if tool.held is not None:
                tool.shift_px = (0.0, 0.0)
            tool.held = watcher.made
        frame = screen.frame
        assert frame is not None
        injections, frames = self.counts
        tool.counted = tr("Injections {injections}, frames {frames}").format(injections=injections, frames=frames)
        tool.source_id, tool.filled = frame.source_id, watcher.seen.filled
        if tool.held is None:
            return
        roadmap = tool.held.roadmap
        watcher.watch_bones(roadmap)
        age = age_s(roadmap.frame, frame, recorded=screen.frames_total is not None, now_ns=self._clock_ns())
        tool.state = state_of(roadmap, watcher.check, screen, shift_px=tool.shift_px, age_s=age)
        self._view.update()

    # What is shown now

    @property
    def _change(self) -> PictureChange:
        return self._view.change or PictureChange()

    @property
    def _mask(self) -> EyeMask | None:
        return self._change.mask

    def _frame(self) -> Frame | None:
        screen = self._view.screen_state
        return None if screen is None else screen.frame

    def _set(self, change: PictureChange) -> None:
        self._view.set_change(change if change.mask is not None or change.peak is not None else None)

    def _look_again(self) -> None:
        self._second = -1
        if self._view.screen_state is not None:
            self.see(self._view.screen_state)
        self._view.update()


def _same(some: tuple[Frame, ...], others: tuple[Frame, ...]) -> bool:
    return [frame.source_frame for frame in some] == [frame.source_frame for frame in others]


def _lay(view: LiveView, tool: RoadmapTool | PeakTool, *, there: bool) -> None:
    """On the picture, below what a hand works with; or take it off."""
    if there and tool not in view.tools:
        view.tools.insert(0, tool)
    elif not there and tool in view.tools:
        view.tools.remove(tool)
