"""When the GPU fails in the middle of a run, the CPU segments the further frames, and the run says so."""

from __future__ import annotations

from collections.abc import Callable

from calibration.errors import GuidanceError
from engines.angiography.frame import Frame
from engines.segmentation.segmentation import Segmentation
from guidance_app.live.engine.step.door import ViewKey
from guidance_app.live.engine.step.see import Segments


class CpuBehind:
    """Segments on a GPU until that fails; from then on, beginning with that very frame, on the CPU.

    A CUDA context that has met an error answers every later call with it, so there is no way back within the process.

    Args:
        first: on the GPU.
        make_second: loads the one for the CPU; only called once it is needed.
    """

    def __init__(self, first: Segments, make_second: Callable[[], Segments]) -> None:
        self._now = first
        self._make_second = make_second
        self.degraded = ""

    def segment(self, frame: Frame, *, key: ViewKey | None = None) -> Segmentation:
        if self.degraded:
            return self._now.segment(frame, key=key)
        try:
            return self._now.segment(frame, key=key)
        except GuidanceError:
            raise  # the frame's own fault
        except Exception as error:  # every runtime has classes of its own for a lost device
            self._now = self._make_second()
            why = " ".join(f"{type(error).__name__}: {error}".split())[:160]
            self.degraded = f"guidance runs on the CPU: the GPU failed ({why})"
            return self._now.segment(frame, key=key)
