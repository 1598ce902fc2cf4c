"""One registration as a job in a process of its own."""

from __future__ import annotations

from pathlib import Path

from calibration.errors import InputError
from guidance_app.panels.jobs.work import TellProgress


def register_into(
    folder: Path, tell: TellProgress, *, cta: str, centerline: str, pullback: str, contours: str, method: str
) -> None:
    """Register a pullback or contours (the other is "") and write the result's files.

    Raises:
        InputError: an input cannot be used.
    """
    from engines.anatomy.files.ct import load_ct
    from engines.ivus.files.contour_tables import read_contours
    from engines.ivus.files.open_pullback import open_pullback
    from engines.ivus.files.result_files import write_result
    from engines.ivus.files.session_file import Inputs
    from engines.ivus.files.vessel_line import check_inside, load_vessel_line
    from engines.ivus.methods import register_by

    if bool(pullback) == bool(contours):
        raise InputError("pullback or contours: give exactly one of them")
    tell("reading", 0.02)
    source = read_contours(Path(contours)) if contours else open_pullback(Path(pullback))
    points = load_vessel_line(Path(centerline))
    ct = load_ct(Path(cta))
    check_inside(points, ct, Path(centerline))
    fusion = register_by(method, ct, points, source, progress=lambda stage, share: tell(stage, 0.1 + 0.6 * share))
    tell("writing", 0.75)
    given = {"cta": cta, "centerline": centerline, "pullback": pullback, "contours": contours}
    inputs = Inputs(**{name: str(Path(path).resolve()) if path else "" for name, path in given.items()})
    write_result(folder, fusion, ct, source, inputs=inputs)
