"""What two views registered jointly must agree in, and how far the table may have moved between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calibration.carm import TILT_TOLERANCE_DEG
from calibration.errors import InputError
from engines.registration.options import RegistrationOptions
from engines.registration.view import RegistrationView

_UNKNOWN_TABLE_MM = 15.0


def check_views(views: Sequence[RegistrationView]) -> None:
    """Refuse what no method can register jointly; raises InputError with the view and what to do."""
    if not 1 <= len(views) <= 2:
        raise InputError(f"registration takes one view or two, {len(views)} were given")
    if len(views) == 2:
        first, second = (view.frame_of_reference_uid for view in views)
        if first and second and first != second:
            raise InputError(
                f"{views[1].file}: frame of reference {second} differs from {first} of {views[0].file}; "
                "two views must show the same patient in the same place: register them one by one"
            )
        before, now = (view.geometry.table_tilt_rad for view in views)
        if before is not None and now is not None:
            tilted_deg = np.rad2deg(np.subtract(now, before))
            if np.abs(tilted_deg).max() > TILT_TOLERANCE_DEG:
                raise InputError(
                    f"{views[1].file}: the table is tilted by {tilted_deg.round(1).tolist()} degrees (turn, head, "
                    f"cradle) against {views[0].file}; one pose cannot hold both: register them one by one"
                )
        if views[0].branch_classes != views[1].branch_classes:
            raise InputError(
                f"{views[1].file}: shows other vessels ({', '.join(views[1].branch_classes) or 'all'}) than "
                f"{views[0].file} ({', '.join(views[0].branch_classes) or 'all'}); choose frames of the same phase"
            )


def table_sigma_mm(views: Sequence[RegistrationView], options: RegistrationOptions) -> float:
    """Standard deviation of an unknown table movement between two views, mm."""
    if len(views) < 2:
        return 0.0
    if options.table_shift_mm is not None:
        return options.table_shift_mm
    tables = [view.geometry.table_mm for view in views]
    if tables[0] is not None and tables[1] is not None and np.allclose(tables[0], tables[1], atol=0.5):
        return 0.0
    return _UNKNOWN_TABLE_MM
