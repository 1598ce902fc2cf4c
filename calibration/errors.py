"""Errors that a person reads: one line that says what, where, found, expected and what to do."""


class GuidanceError(Exception):
    """Root of every error this program raises on purpose; its text is one line, fit for a terminal or a banner."""

    def __str__(self) -> str:
        return " ".join(super().__str__().split())


class InputError(GuidanceError):
    """A file, folder or option that cannot be used as it is; the text names it and the way out."""


class MissingGeometryError(InputError):
    """The picture does not say how it was projected; guidance needs the missing value, never a default."""
