"""What a reader assumed or passed over, said in one line that a person sees."""

from __future__ import annotations

import logging
from collections.abc import Callable

Note = Callable[[str], None]


def logged(text: str) -> None:
    """For callers that show no lines themselves: the log prints warnings on stderr."""
    logging.getLogger("guidance_app.files").warning(text)
