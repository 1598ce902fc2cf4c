"""One application for all tests of the views, and a watch for leaked widgets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PyQt6.QtWidgets import QApplication


@pytest.fixture(autouse=True)
def _no_leaked_widgets(qapp: QApplication) -> Iterator[None]:
    before = set(qapp.topLevelWidgets())
    yield
    qapp.sendPostedEvents(None, 52)  # QEvent.DeferredDelete: deleteLater waits for an event loop otherwise
    leaked = [widget for widget in qapp.topLevelWidgets() if widget not in before and widget.isVisible()]
    assert not leaked, f"the test leaked {leaked}"
