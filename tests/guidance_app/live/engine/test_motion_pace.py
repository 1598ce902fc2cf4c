from guidance_app.live.engine.motion_pace import BUDGET_MS, REFUSALS, REST_FRAMES, MotionPace


def _rest(pace: MotionPace) -> int:
    """Frames until a fit is due again."""
    frames = 0
    while not pace.due():
        frames += 1
        assert frames < 1000
    return frames


def test_quick_fits_that_are_shown_are_made_on_every_frame():
    pace = MotionPace()
    for _ in range(50):
        assert pace.due()
        pace.fitted(0.5 * BUDGET_MS, shown=True)


def test_three_refusals_in_a_row_are_followed_by_a_rest():
    pace = MotionPace()
    for _ in range(REFUSALS - 1):
        assert pace.due()
        pace.fitted(1.0, shown=False)
    assert pace.due()
    pace.fitted(1.0, shown=True)
    for _ in range(REFUSALS):
        assert pace.due()
        pace.fitted(1.0, shown=False)
    assert _rest(pace) == REST_FRAMES


def test_slow_fits_are_tried_ever_more_rarely_and_often_again_once_one_was_quick():
    pace = MotionPace()
    rests = []
    for _ in range(5):
        pace.fitted(2 * BUDGET_MS, shown=True)
        rests.append(_rest(pace))
    assert rests[:3] == [REST_FRAMES, 2 * REST_FRAMES, 4 * REST_FRAMES]
    assert rests[-1] == rests[-2], "every eight seconds at the least"
    pace.fitted(1.0, shown=True)
    pace.fitted(2 * BUDGET_MS, shown=True)
    assert _rest(pace) == REST_FRAMES
