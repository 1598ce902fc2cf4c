"""The words of the window in the language of its user, by Python's own gettext."""

from __future__ import annotations

import gettext

# One for the whole program, as a language is; English needs no catalogue, for it is what the code says.
_spoken: gettext.NullTranslations = gettext.NullTranslations()


def tr(text: str) -> str:
    """This text in the language that is spoken; what stands in braces is filled in afterwards."""
    return _spoken.gettext(text) if text else ""  # a catalogue keeps its own description under ""


def speak(language: gettext.NullTranslations) -> gettext.NullTranslations:
    """Speak this language from now on; windows that are open keep what is written on their controls.

    Returns:
        The language before.
    """
    global _spoken
    before, _spoken = _spoken, language
    return before
