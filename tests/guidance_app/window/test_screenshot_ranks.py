"""The picture that is kept shows the overlay that is most certain; every look of an overlay has its rank."""

from typing import get_args

from guidance_app.views.overlay_look import Line
from guidance_app.window.screenshot import RANKS


def test_every_line_that_an_overlay_may_have_has_a_rank_of_its_own():
    assert set(RANKS) == set(get_args(Line))
    assert len(set(RANKS.values())) == len(RANKS)
    assert max(RANKS, key=RANKS.__getitem__) == "solid"
