"""A language that is English with every word 40 % longer: what leaves no room for it leaves none for German."""

from __future__ import annotations

import gettext
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager

from guidance_app.views.language import speak

LONGER = 0.4
_WORD = re.compile(r"\{[^}]*\}|[^\W\d_]+")


class PseudoLanguage(gettext.NullTranslations):
    def gettext(self, message: str) -> str:
        return _WORD.sub(lambda found: _longer(found.group()), message)


def _longer(word: str) -> str:
    if word.startswith("{"):  # filled in later
        return word
    more = math.ceil(LONGER * len(word))
    return word + (word[1:] + word)[:more]


@contextmanager
def spoken(language: gettext.NullTranslations) -> Iterator[None]:
    before = speak(language)
    try:
        yield
    finally:
        speak(before)
