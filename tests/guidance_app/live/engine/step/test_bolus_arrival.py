"""When a search may begin: the tree has filled, and is more than a stump."""

from __future__ import annotations

import pytest

from guidance_app.live.engine.step.judge import has_filled


@pytest.mark.parametrize(
    ("shares", "frame_time_ms", "filled"),
    [
        ((0.0, 0.0, 0.002, 0.0045), 66.7, False),  # first drops, just enough to be seen
        ((0.0045, 0.005, 0.0055, 0.0056), 66.7, False),  # still arriving
        ((0.0100, 0.0104, 0.0103, 0.0107), 66.7, True),
        ((0.0107, 0.0104), 66.7, False),  # too few pictures to tell
        ((0.020, 0.034, 0.046, 0.0497), 333.3, True),  # three pictures a second: one step tells
        ((0.010, 0.020, 0.034, 0.046), 333.3, False),
    ],
)
def test_a_search_waits_for_a_filled_tree(shares, frame_time_ms, filled):
    assert has_filled(shares, frame_time_ms) is filled
