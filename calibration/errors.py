"""Errors that a person reads: one line that says what, where, found, expected and what to do."""

_MAX_CHARACTERS = 600


class GuidanceError(Exception):
    """Root of every error this program raises on purpose; its text is one line, fit for a terminal or a banner.

    It may quote what a hostile file says: letters that would steer a terminal are shown as such, and a long quotation
    loses its middle.
    """

    def __str__(self) -> str:
        words = " ".join(super().__str__().split())
        line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in words)
        if len(line) <= _MAX_CHARACTERS:
            return line
        kept = (_MAX_CHARACTERS - 5) // 2
        return f"{line[:kept]} ... {line[-kept:]}"


class InputError(GuidanceError):
    """A file, folder or option that cannot be used as it is; the text names it and the way out."""


class MissingGeometryError(InputError):
    """The picture does not say how it was projected; guidance needs the missing value, never a default."""
