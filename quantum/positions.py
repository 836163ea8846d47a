"""Positions in a circuit document: fractional indices, between which another always fits.

The form is that of Greenspan's and Figma's fractional indexing, as common libraries make and
extend it: a letter that says how many digits follow, then the digits in base 62.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def positions(count: int) -> Iterator[str]:
    """Yield ``count`` positions in rising order: a0, …, az, b00, …"""
    integers = (
        letter + "".join(digits)
        for width, letter in enumerate("abcdef", start=1)
        for digits in itertools.product(_DIGITS, repeat=width)
    )
    return itertools.islice(integers, count)
