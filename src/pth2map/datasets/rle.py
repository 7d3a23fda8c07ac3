"""COCO's compressed run-length masks: whether their strings are sound, and how many pixels they cover.

A mask is the lengths of its runs down the columns, background first. Each is written five bits a character, lowest
first, as the character 48 + bits; 32 more says that another follows, and the fifth bit of the last is the sign. From
the fourth run on it is the difference to the run two before (pycocotools, ``maskApi.c``: ``rleToString``).

Evaluators decode these strings in C, which trusts them and reads past the end of a bad one: they are checked first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_FIRST, _MORE, _SIGN, _BITS = 48, 32, 16, 31
_LONGEST_NUMBER = 6
"""Characters; 30 bits hold any run of an image of at most 2**27 pixels, and C shifts no further in its int."""
_SIGNED = ((np.arange(2 * _MORE) & _BITS) ^ _SIGN) - _SIGN
"""What the last character of a number stands for."""
_CHARACTERS_AT_ONCE = 1 << 18  # what is made of them then fits into the processor's cache


def read_rles(masks: Sequence[bytes], sizes: np.ndarray) -> tuple[np.ndarray, dict[int, str]]:
    """Areas of N masks in pixels, ``(N,)`` int64, and what is wrong with the malformed ones, by their number from 0.

    ``masks`` are the strings, ``sizes`` is ``(N, 2)`` int64: height and width of each, at most 2**27 pixels. A sound
    string holds runs that are not negative and sum to height × width. The area of a malformed mask is 0.
    """
    areas = np.zeros(len(masks), dtype=np.int64)
    faults: dict[int, str] = {}
    lengths = np.fromiter(map(len, masks), dtype=np.int64, count=len(masks))
    pixels = sizes.prod(axis=1)
    for block in _blocks(lengths):
        sound = _well_formed(masks, lengths, block, faults)
        if len(sound):
            areas[sound] = _areas(b"".join([masks[i] for i in sound.tolist()]), lengths, pixels, sound, faults)
    return areas, faults


def _blocks(lengths: np.ndarray) -> list[np.ndarray]:
    """Numbers of the masks, in portions of about :data:`_CHARACTERS_AT_ONCE`."""
    portion = np.cumsum(lengths) // _CHARACTERS_AT_ONCE
    return np.split(np.arange(len(lengths)), np.flatnonzero(np.diff(portion)) + 1)


def _well_formed(masks: Sequence[bytes], lengths: np.ndarray, block: np.ndarray, faults: dict[int, str]) -> np.ndarray:
    """Those of ``block`` that are made of whole numbers; the others go to ``faults``."""
    filled: np.ndarray = block[lengths[block] > 0]
    faults |= dict.fromkeys(block[lengths[block] == 0].tolist(), "is empty")
    digits = _digits(b"".join([masks[i] for i in filled.tolist()]))
    ends = np.cumsum(lengths[filled])
    strange = np.searchsorted(ends, np.flatnonzero(digits >= 2 * _MORE), side="right")
    open_ended = np.flatnonzero(digits[ends - 1] & _MORE)
    # The later word stays: of a strange character at the end, that it is strange.
    faults |= dict.fromkeys(filled[open_ended].tolist(), "ends within a number")
    faults |= dict.fromkeys(filled[strange].tolist(), "holds a character that RLE does not have")
    if not len(strange) and not len(open_ended):
        return filled
    sound: np.ndarray = np.delete(filled, np.union1d(strange, open_ended))
    return sound


def _digits(characters: bytes) -> np.ndarray:
    return np.frombuffer(characters, dtype=np.uint8) - np.uint8(_FIRST)  # one below 48 wraps round to a high one


def _areas(
    characters: bytes, lengths: np.ndarray, pixels: np.ndarray, block: np.ndarray, faults: dict[int, str]
) -> np.ndarray:
    """Areas of the masks ``block``, whose strings ``characters`` are; 0 for those that go to ``faults``."""
    digits = _digits(characters)
    last = np.flatnonzero(digits < _MORE)  # of each number
    widths = np.diff(last, prepend=-1)
    ends = np.searchsorted(last, np.cumsum(lengths[block]))  # behind the numbers of each mask
    starts = np.concatenate([[0], ends[:-1]])
    differences = _values(digits, last, widths)
    first = differences[starts]
    differences[starts] = 0  # the third run is no difference to the first

    # Runs of one colour are every other number: every other one of all masks together, but which depends on the start.
    even, odd = (_runs(differences[place::2], (starts + 1 - place) // 2, (ends + 1 - place) // 2) for place in (0, 1))
    area = np.where(starts % 2 == 0, odd.sum, even.sum)
    shortest = np.minimum(np.minimum(even.shortest, odd.shortest), first)
    longest = np.maximum(np.maximum(even.longest, odd.longest), first)
    size = pixels[block]
    wrong = np.zeros(len(block), dtype=np.bool_)
    for is_wrong, fault in (
        # Of runs no longer than the image the sum cannot wrap round.
        ((longest > size) | (even.sum + odd.sum + first != size), "has runs that do not sum to height × width"),
        (shortest < 0, "holds a negative run"),
        (
            np.maximum.reduceat(widths, starts) > _LONGEST_NUMBER,
            f"holds a number of more than {_LONGEST_NUMBER} characters",
        ),
    ):
        faults |= dict.fromkeys(block[is_wrong].tolist(), fault)
        wrong |= is_wrong
    return np.where(wrong, 0, area)


def _values(digits: np.ndarray, last: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """The numbers, int64, each of so many (``widths``) characters up to and with ``last``."""
    values: np.ndarray = _SIGNED[digits[last]]
    longer = np.flatnonzero(widths > 1)
    for place in range(1, _LONGEST_NUMBER):
        longer = longer[widths[longer] > place]
        values[longer] = values[longer] << 5 | digits[last[longer] - place] & _BITS
    return values


@dataclass(frozen=True)
class _Runs:
    """Of the runs of one colour, each ``(N,)`` int64; 0 for a mask that has none."""

    sum: np.ndarray
    shortest: np.ndarray
    longest: np.ndarray


def _runs(differences: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> _Runs:
    """Each mask has the differences from ``starts`` up to, without, ``ends``; its runs are their sums up to each.

    Over all masks the sums may wrap round; the difference between two of them is right where it fits in 64 bits.
    """
    totals = np.zeros(len(differences) + 2, dtype=np.int64)
    np.cumsum(differences, out=totals[1:-1])
    runs = totals[1:]
    before, counts = totals[starts], ends - starts
    runs[:-1] -= np.repeat(before, counts)
    has_any = counts > 0  # reduceat gives the next run for an empty stretch
    return _Runs(*(np.where(has_any, each.reduceat(runs, starts), 0) for each in (np.add, np.minimum, np.maximum)))
