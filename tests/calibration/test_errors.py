"""One line for a person, whatever a file made the program say."""

from calibration.errors import InputError


def test_lines_become_one():
    assert str(InputError("run.dcm: is\n  damaged")) == "run.dcm: is damaged"


def test_letters_that_steer_a_terminal_are_shown_as_such():
    text = str(InputError("run.dcm: is \x1b[2J\x00\u202e, choose another; größer bleibt"))
    assert text == r"run.dcm: is \x1b[2J\x00\u202e, choose another; größer bleibt"
    assert text.isprintable()


def test_long_quotation_loses_its_middle_and_keeps_what_and_what_to_do():
    text = str(InputError(f"case.json: schema is {'y' * 100_000!r}; make the case again"))
    assert text.startswith("case.json: schema is 'yyy")
    assert text.endswith("make the case again")
    assert len(text) <= 600
