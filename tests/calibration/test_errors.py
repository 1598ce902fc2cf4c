"""An error's text is one line for a person, even if it quotes a hostile file."""

from calibration.errors import InputError


def test_lines_become_one():
    assert str(InputError("run.dcm: is\n  damaged")) == "run.dcm: is damaged"


def test_control_characters_are_shown_escaped():
    text = str(InputError("run.dcm: is \x1b[2J\x00\u202e, choose another; größer bleibt"))
    assert text == r"run.dcm: is \x1b[2J\x00\u202e, choose another; größer bleibt"
    assert text.isprintable()


def test_a_long_text_is_cut_in_the_middle_and_keeps_both_ends():
    text = str(InputError(f"case.json: schema is {'y' * 100_000!r}; make the case again"))
    assert text.startswith("case.json: schema is 'yyy")
    assert text.endswith("make the case again")
    assert len(text) <= 600
