"""The difference of two concentrations, with the errors that they share counted once."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scipy.special import gammaincinv, stdtrit

from nta.concentration import Concentration, Parts
from nta.estimate import NORMAL_95, Estimate
from nta.size_statistics import BAND
from nta.tracking import Tracks

if TYPE_CHECKING:
    from nta.measurement import Measurement


@dataclass(frozen=True, slots=True)
class Counted:
    """A concentration with the interval of what it does not share with the other one, and its standard uncertainties.

    ``counting``, ``captures`` and ``volume`` are those of :class:`nta.concentration.Parts` times the value, per mL.
    """

    estimate: Estimate
    counting: float
    captures: float
    volume: float

    @property
    def relative_sd(self) -> float:
        """Relative standard uncertainty of the count."""
        return math.hypot(self.counting, self.captures) / self.estimate.value


def difference(first: Estimate, second: Estimate) -> Estimate:
    """Return first - second with the interval of two independent errors, each as lopsided as it is.

    The distances of the ends from the values are added in quadrature, the lower one of the first with the upper one of
    the second (Zou and Donner 2008, Stat. Med. 27, 1693, eq. 5): normal intervals give the normal interval, and it
    holds where one of them is a count of 0 as well.
    """
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Estimate(value, value - below, value + above, first.n)


def from_tracks(sample: Measurement, blank: Measurement) -> Estimate:
    """Return the concentration of a blank of few tracks, each worth what a track of the sample is.

    The interval is that of a Poisson number of particles (Garwood 1936): with none seen, 0 to 3.69 of them.
    """
    n_sample, c_sample = len(sample.diffusion.table), sample.concentration.measured.value
    looked_at, looked_at_blank = _looked_at_um3(sample.tracks), _looked_at_um3(blank.tracks)
    if not (n_sample and c_sample > 0.0 and looked_at_blank > 0.0):
        return Estimate.missing()
    n_particles = sample.distribution.n_particles
    particles_per_track = n_particles / n_sample if 0.0 < n_particles < n_sample else 1.0
    grid_nm = sample.distribution.table["diameter_nm"]
    in_range = blank.diffusion.table["diameter_nm"].between(grid_nm.min(), grid_nm.max())
    n = float(in_range.sum()) * particles_per_track
    per_particle = c_sample * looked_at / (n_sample * particles_per_track * looked_at_blank)
    low = float(gammaincinv(n, BAND[0])) if n > 0.0 else 0.0
    return Estimate(n, low, float(gammaincinv(n + 1.0, BAND[1])), int(in_range.sum())).scaled(per_particle)


def _looked_at_um3(tracks: Tracks) -> float:
    """Return volume times frames of all captures, µm³; 0 where it is not known."""
    parts = [math.prod(capture.volume_um) * (capture.acquisition.n_frames or 0) for capture in tracks.captures]
    return sum(part for part in parts if math.isfinite(part))


def same_volume(sample: Concentration, blank: Concentration) -> bool:
    """Return whether one depth, and so one error of it, stands behind both concentrations."""
    return sample.volume_source == blank.volume_source and math.isclose(sample.depth_um, blank.depth_um, rel_tol=0.01)


def counted(found: Concentration, volume_is_common: bool) -> Counted:
    """Return a concentration with the interval of its count alone, or with that of its volume where it is its own."""
    value, parts, n = found.measured.value, found.parts, len(found.captures_per_ml)
    counting, captures, volume = (_known(part) for part in (parts.counting, parts.captures, parts.volume))
    if not math.isfinite(parts.counting):
        # A result that does not say what its interval is made of: all of it then counts.
        counting, volume = math.log(found.measured.high / found.measured.low) / (2.0 * NORMAL_95), 0.0
    total = counting**2 + captures**2 + (0.0 if volume_is_common else volume**2)
    # Captures differ by what n - 1 differences tell: Student's t, as in nta.concentration.
    freedom = (n - 1) * (total / captures**2) ** 2 if captures > 0.0 else math.inf
    width = NORMAL_95 if math.isinf(freedom) else float(stdtrit(freedom, BAND[1]))
    spread = math.exp(width * math.sqrt(total))
    estimate = Estimate(value, value / spread, value * spread, found.measured.n)
    return Counted(estimate, counting * value, captures * value, volume * value)


def poisson(found: Estimate) -> Counted:
    """Return what :func:`from_tracks` gives as a count: one of 0 is uncertain by about one particle."""
    return Counted(found, (found.high - found.low) / (2.0 * NORMAL_95), 0.0, 0.0)


def net_concentration(
    sample: Concentration, own: Counted, taken: Counted, volume_is_common: bool
) -> tuple[Concentration, float | None]:
    """Return the sample's concentration without the blank; where it is not above it, the most that can be its own.

    It is above it where the 95 % interval of the difference does not reach 0: of two captures of one diluent every
    second one has more particles than the other, and one in forty that many more (Currie 1968, Anal. Chem. 40, 586).

    Parameters
    ----------
    sample : Concentration
        Before the subtraction.
    own, taken : Counted
        The sample's and the blank's.
    volume_is_common : bool
        Whether the error of the depth is one and the same, and to be added to the difference.

    Returns
    -------
    concentration : Concentration
        ``measured`` missing and ``stock`` ``None`` where the difference is within its error of 0.
    limit_per_ml : float or None
        Upper end of the 95 % interval of the difference, not below 0; ``None`` where the lower one is above 0.
    """
    net = difference(own.estimate, taken.estimate)
    volume = own.volume / own.estimate.value if volume_is_common else 0.0
    if not net.low > 0.0:
        limit_per_ml = max(net.high, 0.0) * math.exp(NORMAL_95 * volume)
        return replace(sample, measured=Estimate.missing(), stock=None, parts=Parts(), captures_per_ml=()), limit_per_ml
    parts = Parts(
        counting=own.counting / net.value,
        captures=own.captures / net.value if own.captures > 0.0 else sample.parts.captures,
        volume=volume if volume_is_common else math.hypot(own.volume, taken.volume) / net.value,
        dilution=sample.parts.dilution,
        blank=math.hypot(taken.counting, taken.captures) / net.value,
    )
    stock = None
    if sample.stock is not None:
        dilution = sample.stock.value / sample.measured.value
        stock = _widened(net, math.hypot(volume, _known(parts.dilution))).scaled(dilution)
    return replace(sample, measured=_widened(net, volume), stock=stock, parts=parts), None


def _widened(net: Estimate, relative_sd: float) -> Estimate:
    """Return a number whose interval is above 0 with the error of a factor: in quadrature of the logarithms."""
    factor = NORMAL_95 * relative_sd
    high = net.value * math.exp(math.hypot(math.log(net.high / net.value), factor))
    low = net.value * math.exp(-math.hypot(math.log(net.value / net.low), factor))
    return Estimate(net.value, low, high, net.n)


def _known(part: float) -> float:
    return part if math.isfinite(part) else 0.0
