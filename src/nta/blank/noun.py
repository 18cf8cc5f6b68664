"""What was subtracted from a sample, for its record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from nta.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Blank:
    """What was subtracted from a sample.

    Parameters
    ----------
    sample : str
        Name of the blank.
    paths : tuple of str
        Its captures.
    sha256 : tuple of str or None
        Hashes of their bytes.
    concentration : Estimate
        Particles per mL in the cell that were subtracted. Where too few were sized for a distribution it follows from
        their number: 0 where there was none, with an upper limit of 3.69 particles.
    before : Estimate
        ``measured`` of the sample before the subtraction, per mL.
    tracks_used : int
        Tracks of the blank that were sized.
    limit_per_ml : float or None
        Where the sample is above its blank by no more than the errors: the most that can be its own (upper end of the
        95 % interval).
    """

    sample: str
    paths: tuple[str, ...]
    sha256: tuple[str | None, ...]
    concentration: Estimate
    before: Estimate
    tracks_used: int
    limit_per_ml: float | None = None

    @property
    def fraction(self) -> float:
        """Particles of the blank over those counted in the sample."""
        return self.concentration.value / self.before.value

    def to_dict(self) -> dict[str, Any]:
        """Return the block ``blank`` of ``summary.json``."""
        return {
            "sample": self.sample,
            "paths": list(self.paths),
            "sha256": list(self.sha256),
            "concentration_per_ml": self.concentration.to_dict(),
            "before_per_ml": self.before.to_dict(),
            "fraction": self.fraction if math.isfinite(self.fraction) else None,
            "tracks_used": self.tracks_used,
            "limit_per_ml": self.limit_per_ml,
        }

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> Self:
        """Return the record that :meth:`to_dict` wrote."""
        return cls(
            mapping["sample"],
            tuple(mapping["paths"]),
            tuple(mapping["sha256"]),
            Estimate.from_dict(mapping["concentration_per_ml"]),
            Estimate.from_dict(mapping["before_per_ml"]),
            mapping["tracks_used"],
            mapping["limit_per_ml"],
        )
