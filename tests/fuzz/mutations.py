"""What can happen to a file between camera and disk: seeded changes of its bytes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Random = np.random.Generator
HEADER = 1024
BOUNDS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def _place(random: Random, data: bytearray) -> int:
    """Return a place in the file; half of them in its first kilobyte, some in its last."""
    kind = random.random()
    if kind < 0.4:
        return int(random.integers(0, min(HEADER, len(data))))
    if kind < 0.55:
        return int(random.integers(max(0, len(data) - HEADER), len(data)))
    return int(random.integers(0, len(data)))


def flip_bits(random: Random, data: bytearray) -> None:
    for _ in range(int(random.integers(1, 5))):
        data[_place(random, data)] ^= 1 << int(random.integers(0, 8))


def flip_one_bit(random: Random, data: bytearray) -> None:
    data[_place(random, data)] ^= 1 << int(random.integers(0, 8))


def set_bytes(random: Random, data: bytearray) -> None:
    at = _place(random, data)
    block = random.integers(0, 256, int(random.integers(1, 9)), dtype=np.uint8).tobytes()
    data[at : at + len(block)] = block[: len(data) - at]


def set_number(random: Random, data: bytearray) -> None:
    """Put a number that breaks arithmetic where a field may be."""
    width = int(random.choice([2, 4]))
    at = _place(random, data) // width * width
    number = int(random.choice(BOUNDS)) & ((1 << 8 * width) - 1)
    data[at : at + width] = number.to_bytes(width, "little" if random.random() < 0.7 else "big")[: len(data) - at]


def zero(random: Random, data: bytearray) -> None:
    at = _place(random, data)
    length = min(int(2 ** random.integers(2, 13)), len(data) - at)
    data[at : at + length] = bytes(length)


def truncate(random: Random, data: bytearray) -> None:
    del data[_place(random, data) :]


def delete(random: Random, data: bytearray) -> None:
    at = _place(random, data)
    del data[at : at + int(2 ** random.integers(0, 12))]


def insert(random: Random, data: bytearray) -> None:
    at = _place(random, data)
    data[at:at] = random.integers(0, 256, int(2 ** random.integers(0, 10)), dtype=np.uint8).tobytes()


def repeat(random: Random, data: bytearray) -> None:
    at = _place(random, data)
    data[at:at] = data[at : at + int(2 ** random.integers(0, 12))]


def move(random: Random, data: bytearray) -> None:
    length = int(2 ** random.integers(2, 11))
    source, target = _place(random, data), _place(random, data)
    block = data[source : source + length]
    data[target : target + len(block)] = block


MUTATIONS: tuple[Callable[[Random, bytearray], None], ...] = (
    flip_one_bit,
    flip_bits,
    set_bytes,
    set_number,
    zero,
    truncate,
    delete,
    insert,
    repeat,
    move,
)


def mutated(seed: int, original: bytes) -> tuple[bytes, str]:
    """Return other bytes, never the same ones, and what was done."""
    random = np.random.default_rng(seed)
    while True:
        data = bytearray(original)
        done = MUTATIONS[int(random.integers(len(MUTATIONS)))]
        done(random, data)
        if bytes(data) != original:
            return bytes(data), done.__name__
