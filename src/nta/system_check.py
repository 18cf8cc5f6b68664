"""One point of the system suitability: its value, its limits, and what they mean in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

Verdict = Literal["pass", "warn", "fail"]

# What was found, in which format, and what to do where it is beyond the limits.
_WORDS: Final[dict[str, tuple[str, str, str]]] = {
    "size_deviation": (
        "beads read {} off their certificate",
        ".1%",
        "check pixel size, temperature and exposure, then the vial",
    ),
    "size_cv": ("sizes of the beads spread by {}", ".1%", "disperse the beads or take fresh ones, filter the water"),
    "concentration_cv": (
        "captures of the beads differ by {} in concentration",
        ".1%",
        "mix the beads and record more captures",
    ),
    "tracks": ("{} beads were sized", ".0f", "record more or longer captures of the beads"),
    "drift_um_s": ("the liquid drifts by {} µm/s", ".3g", "wait until it is at rest"),
    "contradiction": (
        "the standards contradict each other by {} of their standard uncertainties",
        ".1f",
        "check certificates and dilutions; if they are right, the depth does not follow the brightness here, and "
        "concentrations of other brightness than the beads' are in doubt",
    ),
    "warnings": ("the captures of the beads raise {} warnings", ".0f", "record beads without them"),
}


@dataclass(frozen=True, slots=True)
class Check:
    """One point of the system suitability: its value, and beyond which it warns and fails.

    Fewer tracks are worse; of all else more is. ``fail`` is infinite where nothing fails.
    """

    name: str
    value: float
    warn: float
    fail: float
    verdict: Verdict

    @property
    def sentence(self) -> str:
        """What was found, with the limits: ``122 beads were sized (below 500 warns, below 100 fails)``."""
        words, form, _ = self._words()
        side = "above" if self.fail > self.warn else "below"
        limits = [f"{side} {limit:{form}} {verdict}" for limit, verdict in ((self.warn, "warns"), (self.fail, "fails"))]
        return f"{words.format(format(self.value, form))} ({', '.join(limits[: 1 if math.isinf(self.fail) else 2])})"

    @property
    def advice(self) -> str:
        """What to do where it is beyond its limits."""
        return self._words()[2]

    def _words(self) -> tuple[str, str, str]:
        # A file may be of a later version, with checks that this one does not know.
        return _WORDS.get(self.name, (f"{self.name} is {{}}", ".3g", "measure the beads again"))
