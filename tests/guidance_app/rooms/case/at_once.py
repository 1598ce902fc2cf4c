"""Jobs done at once in the test's own process, for tests of what comes after a job."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from calibration.errors import GuidanceError
from guidance_app.panels.jobs.work import Ended, Progress, Work


class AtOnce:
    """In place of `WorkProcess`: the same folders and the same news."""

    def __init__(self, work: Work) -> None:
        work.out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=work.out.parent, prefix=".part-"))
        self._news: list[Progress | Ended] = []
        try:
            work.run(folder, self._tell, **work.arguments)
        except GuidanceError as error:
            shutil.rmtree(folder)
            self._news.append(Ended(problem=str(error)))
            return
        if work.out.exists():
            shutil.rmtree(work.out)
        folder.rename(work.out)
        self._news.append(Ended(problem=""))

    def news(self) -> list[Progress | Ended]:
        said, self._news = self._news, []
        return said

    def cancel(self) -> None:
        """It is over already."""

    def _tell(self, stage: str, share: float) -> None:
        self._news.append(Progress(stage=stage, share=share))
