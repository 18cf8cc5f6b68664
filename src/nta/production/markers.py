"""Marker-positive particles: what a fluorescence capture counts over what the scatter capture of the sample counts."""

from __future__ import annotations

from dataclasses import dataclass

from nta.estimate import Estimate
from nta.production.findings import Finding, finding
from nta.production.harvests import MISSING, Harvest
from nta.production.purity import marker_percent


@dataclass(frozen=True, slots=True)
class Marker:
    """Share of the particles of a sample that carry a marker.

    Parameters
    ----------
    marker : str
        ``cd9``, ``cd63`` or ``cd81``.
    sample : str
        The sample in scatter.
    percent : Estimate
        Share, %, as measured; missing when ``reason`` is not empty.
    reason : str
        Why it is missing, and what to do.
    records : tuple of int
        Numbers of the analyses behind it.
    """

    marker: str
    sample: str
    percent: Estimate
    reason: str = ""
    records: tuple[int, ...] = ()

    @property
    def attribute(self) -> str:
        """Its name in a specification."""
        return f"{self.marker}_percent"

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What speaks against it."""
        if self.reason:
            return (finding("marker_missing", f"{self.marker.upper()} of {self.sample}: {self.reason}"),)
        if self.percent.low > 100.0:
            text = f"{self.marker.upper()} of {self.sample}: {self.percent.value:.3g} % of what scatters"
            return (finding("marker_above_scatter", f"{text}; check which captures belong together, and dilutions"),)
        return ()


def marker_of(marker: str, fluorescent: Harvest, scatter: Harvest | None) -> Marker:
    """Return the share of a marker from paired captures.

    What both share cancels: the depth in view of one calibration. Each dilution is the capture's own.

    Parameters
    ----------
    marker : str
        Which one; empty where the manifest does not say.
    fluorescent : Harvest
        The sample in fluorescence.
    scatter : Harvest or None
        The same in scatter; ``None`` where the manifest names none of this lot.
    """
    if not marker or scatter is None:
        lacking = "marker" if not marker else "scatter_sample, a sample of this lot,"
        reason = f"write {lacking} into the manifest"
        return Marker(marker or "marker", fluorescent.sample, Estimate.missing(), reason, _records(fluorescent))
    records = _records(fluorescent, scatter)
    for one in (fluorescent, scatter):
        codes = [code for code in one.missing if code != "no_volume"]
        if codes:
            reason = f"{one.sample}: {MISSING[codes[0]]}"
            return Marker(marker, scatter.sample, Estimate.missing(), reason, records)
    above, below = fluorescent.concentration, scatter.concentration
    if above is None or below is None:
        reason = "what the interval of a concentration is made of is not on record; measure again"
        return Marker(marker, scatter.sample, Estimate.missing(), reason, records)
    return Marker(marker, scatter.sample, marker_percent(above, below), "", records)


def _records(*samples: Harvest) -> tuple[int, ...]:
    return tuple(one.record for one in samples if one.record is not None)
