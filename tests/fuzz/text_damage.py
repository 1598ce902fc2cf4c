"""Damage to texts: JSON by its structure, tables and models by their words."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from tests.fuzz.damage import Rng, damaged, one_of

_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, -(10**30), 1e308, -1e-320, float("nan"), float("inf"), "", "x",
    "1", "../../escaped", "/etc/passwd", "C:\\evil", "a\0b", "line\nline", "\x1b[31mred", "\ud800", "é" * 300,
    "y" * 100_000, [], {}, [[]], [None], [1, 2], {"": None}, [0.0] * 16, [[0.0] * 4] * 4, [[1e300] * 4] * 4,
)  # fmt: skip
_WORDS = ("0", "-1", "nan", "inf", "-inf", "1e999", "1e-999", "99999999999999999999", "3.5", "x", "", "\x00", '"', "<",
          ">", "&", "../../escaped", "\u202e", "0x10", "1_000", "２", "-0", "1,5")  # fmt: skip


def damaged_json(text: str, rng: Rng) -> bytes:
    if rng.random() < 0.2:
        return damaged(text.encode(), rng)
    if rng.random() < 0.05:
        return _nested(rng)
    content = copy.deepcopy(json.loads(text))
    for _ in range(1 + int(rng.random() < 0.3)):
        _change_one(content, rng)
    return json.dumps(content).encode("utf-8", "surrogatepass")


def damaged_words(text: str, rng: Rng) -> bytes:
    """A text in which some words are replaced, lost, doubled; or its bytes are damaged."""
    if rng.random() < 0.25:
        return damaged(text.encode(), rng)
    pieces = re.split(r"([\s,;<>=\"/]+)", text)
    for _ in range(1 + int(rng.integers(3))):
        at = 2 * int(rng.integers((len(pieces) + 1) // 2))
        kind = rng.random()
        if kind < 0.6:
            pieces[at] = one_of(rng, _WORDS)
        elif kind < 0.75:
            pieces[at : at + 2] = []
        elif kind < 0.9:
            pieces[at : at + 2] = pieces[at : at + 2] * int(rng.integers(2, 200))
        else:
            pieces[at:] = pieces[at : at + 1]
        if len(pieces) < 3:
            break
    return "".join(pieces).encode("utf-8", "surrogatepass")


def _nested(rng: Rng) -> bytes:
    depth = one_of(rng, (50, 900, 5000, 200_000))
    opening, closing = one_of(rng, (("[", "]"), ('{"a":', "}")))
    return (opening * depth + "1" + closing * depth).encode()


def _change_one(content: Any, rng: Rng) -> None:
    """Walk down at random and change what is found there."""
    while True:
        keys = list(content) if isinstance(content, dict) else list(range(len(content)))
        if not keys:
            return
        key = one_of(rng, keys)
        below = content[key]
        if isinstance(below, dict | list) and below and rng.random() < 0.8:
            content = below
            continue
        kind = rng.random()
        if kind < 0.75:
            content[key] = copy.deepcopy(one_of(rng, _VALUES))
        elif kind < 0.9:
            del content[key]
        elif isinstance(content, list):
            content.extend([below] * int(rng.integers(1, 400)))
        else:
            content[one_of(rng, ("schema", "id", "../x", "unknown", "0"))] = below
        return
