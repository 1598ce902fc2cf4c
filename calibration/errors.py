"""Errors for a person: one line that says what is wrong, where, what was found and expected, and what to do."""

_MAX_CHARACTERS = 600


class GuidanceError(Exception):
    """Base of every error that this program raises on purpose; its text is one line, fit for a terminal or a banner.

    The text may quote a hostile file, so control characters are shown escaped, and the middle of a long text is cut.
    """

    def __str__(self) -> str:
        words = " ".join(super().__str__().split())
        line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in words)
        if len(line) <= _MAX_CHARACTERS:
            return line
        kept = (_MAX_CHARACTERS - 5) // 2
        return f"{line[:kept]} ... {line[-kept:]}"


class InputError(GuidanceError):
    """A file, folder or option that cannot be used as it is; the text names it and says what to do."""


class MissingGeometryError(InputError):
    """The picture lacks a value of its projection geometry that guidance needs and that is never guessed."""
