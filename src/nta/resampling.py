"""Which tracks may belong to one particle: blocks of the liquid, drawn together by the bootstrap.

A particle leaves the sheet of light and comes back, so that its tracks are not independent: drawn one by one they make
intervals too narrow by a factor of 1.4. It comes back near the place where it left, in the frame that moves with the
flow. Blocks are therefore squares of the liquid, not stretches of time: within the minute of a capture a 100 nm
particle wanders 24 µm, but it may return after any time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from nta.diffusion import Diffusion
from nta.estimate import NORMAL_95

Counts = NDArray[np.int64]

N_CELLS: Final = 12
"""Squares into which the field of a capture is divided: 4 x 3 of the usual field."""

_FEWEST: Final = 3.0  # blocks: of two, Student's quantile is twelve, and says nothing

MIN_BLOCKS: Final = 10
"""With fewer, tracks are drawn one by one: one block would draw the same sample every time."""


def liquid_blocks(diffusion: Diffusion) -> Counts:
    """Return a block number for every track, (n_tracks,): a capture's square in the frame that moves with the flow.

    Where the size of the field is not known, the range of the positions stands for it. Where all tracks lie in fewer
    than ten squares, each is a block of its own.
    """
    table = diffusion.table
    middle = table["first_frame"].to_numpy(np.int64) + table["n_positions"].to_numpy(np.int64) // 2
    x, y = (table[name].to_numpy(np.float64) for name in ("x", "y"))
    blocks = np.zeros(len(table), dtype=np.int64)
    offset = 0
    for number, capture in enumerate(diffusion.captures):
        mine = np.flatnonzero(table["capture"].to_numpy() == number)
        if not mine.size:
            continue
        drift = capture.drift_px[np.minimum(middle[mine], len(capture.drift_px) - 1)]
        place = np.stack([x[mine], y[mine]], axis=1)
        width, height = (
            side if math.isfinite(side) else float(np.ptp(place[:, axis])) or 1.0
            for axis, side in enumerate(capture.field_px[2:])
        )
        cells = np.floor((place - drift) / math.sqrt(width * height / N_CELLS)).astype(np.int64)
        own = np.unique(cells, axis=0, return_inverse=True)[1].ravel()
        blocks[mine] = offset + own
        offset += int(own.max()) + 1
    return blocks if offset >= MIN_BLOCKS else np.arange(len(table), dtype=np.int64)


def block_weights(blocks: Counts, lengths: NDArray[np.float64], n_draws: int, seed: int) -> Iterator[Counts]:
    """Yield ``n_draws`` times how often each track is drawn: one number for each block, of mean 1.

    Of n blocks a bootstrap with Poisson numbers is too narrow by sqrt((n - 1)/n), and its quantiles are those of a
    normal distribution where Student's of n - 1 degrees are due (Hesterberg 2015, The American Statistician 69, 371:
    expanded percentile intervals). The numbers are spread wider by both at once, so that whatever is computed from a
    draw has it: negative binomial ones, a Poisson number about a gamma variable.

    Parameters
    ----------
    blocks : (n_tracks,) int64
        Block of each track.
    lengths : (n_tracks,) float64
        Positions of each track: n is the number of equal blocks that would be as many, (sum w)²/sum w².
    n_draws : int
        Draws.
    seed : int
        Of the random numbers.
    """
    random = np.random.default_rng(seed)
    n_blocks = int(blocks.max()) + 1
    shape = 1.0 / (_variance(np.bincount(blocks, lengths).astype(np.float64)) - 1.0)
    for _ in range(n_draws):
        yield random.poisson(random.gamma(shape, 1.0 / shape, n_blocks))[blocks]


def _variance(positions: NDArray[np.float64]) -> float:
    """Return the variance of a block's number, n/(n - 1) (t/1.96)², of blocks that hold so many positions."""
    n = max(float(positions.sum() ** 2 / (positions @ positions)), _FEWEST)
    return n / (n - 1.0) * (float(stdtrit(n - 1.0, 0.975)) / NORMAL_95) ** 2
