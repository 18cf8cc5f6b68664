"""Which sizes long tracks are made of: large particles stay in the sheet of light, small ones leave it.

A track's length tells something of its particle's size. Left out, the size of a short track is read as if its
particle came from the whole population, and every track is drawn to the middle: of 1000 tracks with a mode of 107 nm
all statistics came out 0.8 % too large. The law is not computed from sheet and field, because links break for other
reasons too, but fitted: the positions fall into classes of track length, and their ln odds are straight lines in ln d
(multinomial logistic regression; Hastie, Tibshirani & Friedman 2009, The Elements of Statistical Learning, section
4.4), made likely together with the density of the sizes. For tracks without light: light tells what length would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

Floats = NDArray[np.float64]
Classes = NDArray[np.int64]

N_CLASSES: Final = 8
"""Classes of track length, about equal in positions."""

# Standard deviation, before any track, of the change of a class's ln odds over an e-fold of size. Those of a sheet of
# 10 µm and its field are about 1; half of it leaves twice the bias (docs/method.md, section 7).
_SLOPE_SD: Final = 2.0
_MIN_TRACKS: Final = 50
_SIZE_STEP: Final = 3
_TAIL: Final = 1e-5
_LEAST: Final = 1e-300
_MAX_STEPS: Final = 100


@dataclass(frozen=True, eq=False)
class LengthLaw:
    """Of a position in view: how probable it is that its track falls into each class of length.

    Parameters
    ----------
    edges : (n_classes - 1,) float64
        Least length of every class but the first, positions, ascending.
    intercepts, slopes : (n_classes,) float64
        ln odds of each class at the reference size, and their change with ln d.
    log_reference : float
        ln of the reference diameter in nm.
    inverse_lengths : (n_classes,) float64
        Mean of 1/length over the positions of each class: tracks per position.
    """

    edges: Floats
    intercepts: Floats
    slopes: Floats
    log_reference: float
    inverse_lengths: Floats

    def log_likelihood(self, lengths: Floats, log_diameter: Floats) -> Floats:
        """Return the log probability of each track's class at each size, (n_tracks, n_sizes)."""
        by_class: Floats = self._log_probability(log_diameter)[_classes(lengths, self.edges)]
        return by_class

    def tracks_per_position(self, log_diameter: Floats) -> Floats:
        """Return how many tracks a position of each size stands for, (n_sizes,): the mean of 1/length."""
        values: Floats = self.inverse_lengths @ np.exp(self._log_probability(log_diameter))
        return values

    def _log_probability(self, log_diameter: Floats) -> Floats:
        odds = self.intercepts[:, None] + self.slopes[:, None] * (log_diameter - self.log_reference)
        values: Floats = log_softmax(odds, axis=0)
        return values


def fit_length_law(
    lengths: Floats, log_likelihood: Floats, share: Floats, log_diameter: Floats, weights: Floats
) -> LengthLaw | None:
    """Return the law under which the lengths of all tracks are most likely, or ``None`` with too few tracks.

    Parameters
    ----------
    lengths : (n_tracks,) float64
        Positions of each track.
    log_likelihood : (n_tracks, n_sizes) float64
        Of everything else that is known of each track.
    share : (n_sizes,) float64
        Density of the sizes of all positions, so far.
    log_diameter : (n_sizes,) float64
        ln of the sizes in nm.
    weights : (n_tracks,) float64
        What each track counts, in proportion to its length; they sum to the number of independent observations.
    """
    edges = _edges(lengths)
    if len(lengths) < _MIN_TRACKS or not edges.size:
        return None
    classes, n_classes = _classes(lengths, edges), edges.size + 1
    joint, sizes, reference = _coarse(log_likelihood, share, log_diameter)
    groups = [(joint[classes == k], weights[classes == k]) for k in range(n_classes)]
    counted = np.bincount(classes, weights, n_classes)
    centred = sizes - reference

    def misfit(parameters: Floats) -> tuple[float, Floats]:
        intercepts, slopes = parameters.reshape(2, n_classes)
        log_probability = log_softmax(intercepts[:, None] + slopes[:, None] * centred, axis=0)
        value, gradient = _log_likelihood(groups, np.exp(log_probability))
        value -= 0.5 * float(slopes @ slopes) / _SLOPE_SD**2
        return -value, -np.concatenate([gradient.sum(axis=1), gradient @ centred - slopes / _SLOPE_SD**2])

    start = np.concatenate([np.log(counted / counted.sum()), np.zeros(n_classes)])
    found = minimize(misfit, start, jac=True, method="L-BFGS-B", options={"maxiter": _MAX_STEPS})
    intercepts, slopes = found.x.reshape(2, n_classes)
    tracks = np.bincount(classes, weights / lengths, n_classes) / counted
    return LengthLaw(edges, intercepts, slopes, reference, tracks)


def _log_likelihood(groups: list[tuple[Floats, Floats]], probability: Floats) -> tuple[float, Floats]:
    """Return the weighted log-likelihood and its gradient in the odds, (n_classes, n_sizes).

    ``groups`` has of each class the tracks' joint likelihoods (n_tracks, n_sizes) and weights.
    """
    value, responsible = 0.0, np.empty_like(probability)
    for k, (joint, weights) in enumerate(groups):
        explained = np.maximum(joint @ probability[k], _LEAST)
        value += float(weights @ np.log(explained))
        responsible[k] = probability[k] * ((weights / explained) @ joint)
    return value, responsible - probability * responsible.sum(axis=0)


def _edges(lengths: Floats) -> Floats:
    """Return the lengths that divide the positions into classes about equal; ties make fewer."""
    ordered = np.sort(lengths)
    reached = np.cumsum(ordered) / ordered.sum()
    edges = np.unique(ordered[np.searchsorted(reached, np.arange(1, N_CLASSES) / N_CLASSES)])
    chosen: Floats = edges[edges > ordered[0]]
    return chosen


def _classes(lengths: Floats, edges: Floats) -> Classes:
    return np.searchsorted(edges, lengths, side="right").astype(np.int64)


def _coarse(log_likelihood: Floats, share: Floats, log_diameter: Floats) -> tuple[Floats, Floats, float]:
    """Return likelihood times density over every third size that the density reaches, these sizes, and their mean.

    The odds hardly change between neighbours of the grid.
    """
    low, high = np.searchsorted(np.cumsum(share), [_TAIL, 1.0 - _TAIL])
    used = slice(int(low), int(high) + 1)
    wanted = log_likelihood[:, used]
    joint = np.exp(wanted - wanted.max(axis=1, keepdims=True)) * share[used]
    starts = np.arange(0, joint.shape[1], _SIZE_STEP)
    counts = np.diff(np.append(starts, joint.shape[1]))
    sizes: Floats = np.add.reduceat(log_diameter[used], starts) / counts
    coarse: Floats = np.add.reduceat(joint, starts, axis=1)
    return coarse, sizes, float(share @ log_diameter)
