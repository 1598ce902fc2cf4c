"""Damage that needs no knowledge of the format: flipped bits, lying numbers, lost and doubled pieces."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

Rng = np.random.Generator
_Choice = TypeVar("_Choice")

# Where sizes, signs and products of two sizes wrap round.
EDGES = (0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 4095, 8191, 8192, 8193, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1,
         2**31, 2**32 - 2, 2**32 - 1, 2**33, 2**63 - 1, 2**63, 2**64 - 1)  # fmt: skip


def one_of(rng: Rng, choices: Sequence[_Choice]) -> _Choice:
    return choices[int(rng.integers(len(choices)))]


def damaged(data: bytes, rng: Rng) -> bytes:
    """One to three kinds of damage, mostly one."""
    for _ in range(1 + int(rng.random() < 0.3) + int(rng.random() < 0.1)):
        if data:
            data = one_of(rng, _KINDS)(data, rng)
    return data


def _flip_bits(data: bytes, rng: Rng) -> bytes:
    changed = bytearray(data)
    for at in rng.integers(len(data), size=int(rng.integers(1, 9))):
        changed[at] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _flip_head(data: bytes, rng: Rng) -> bytes:
    """Headers come first, and hold most of what is believed."""
    head = min(len(data), 512)
    return _flip_bits(data[:head], rng) + data[head:]


def _set_number(data: bytes, rng: Rng) -> bytes:
    size, order = one_of(rng, ((1, "<B"), (2, "<H"), (2, ">H"), (4, "<I"), (4, ">I"), (8, "<Q"), (8, ">Q")))
    if len(data) < size:
        return data
    at = int(rng.integers(len(data) - size + 1))
    number = one_of(rng, EDGES) & ((1 << (8 * size)) - 1)
    return data[:at] + struct.pack(order, number) + data[at + size :]


def _cut_off(data: bytes, rng: Rng) -> bytes:
    return data[: int(rng.integers(len(data)))]


def _lose_piece(data: bytes, rng: Rng) -> bytes:
    begin = int(rng.integers(len(data)))
    return data[:begin] + data[begin + int(rng.integers(1, 65)) :]


def _double_piece(data: bytes, rng: Rng) -> bytes:
    begin = int(rng.integers(len(data)))
    end = begin + int(rng.integers(1, 257))
    return data[:end] + data[begin:end] * int(rng.integers(1, 20)) + data[end:]


def _garbage_piece(data: bytes, rng: Rng) -> bytes:
    begin = int(rng.integers(len(data)))
    piece = rng.integers(256, size=int(rng.integers(1, 65)), dtype=np.uint8).tobytes()
    return data[:begin] + piece + data[begin + (len(piece) if rng.random() < 0.5 else 0) :]


def _zeros(data: bytes, rng: Rng) -> bytes:
    begin = int(rng.integers(len(data)))
    length = int(rng.integers(1, 129))
    return data[:begin] + bytes(len(data[begin : begin + length])) + data[begin + length :]


_KINDS: tuple[Callable[[bytes, Rng], bytes], ...] = (
    _flip_bits, _flip_bits, _flip_head, _set_number, _set_number, _cut_off, _lose_piece, _double_piece, _garbage_piece,
    _zeros,
)  # fmt: skip
