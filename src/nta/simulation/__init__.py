"""Physics to video: particles that diffuse in and out of a light sheet, filmed with known truth."""

from __future__ import annotations

from nta.simulation.capture import frames, observe, simulate
from nta.simulation.population import (
    Lognormal,
    Mixture,
    OneSize,
    Population,
    Table,
    mixture_of_modes,
    population_from_dict,
)
from nta.simulation.scene import Scene
from nta.simulation.truth import Truth

__all__ = [
    "Lognormal",
    "Mixture",
    "OneSize",
    "Population",
    "Scene",
    "Table",
    "Truth",
    "frames",
    "mixture_of_modes",
    "observe",
    "population_from_dict",
    "simulate",
]
