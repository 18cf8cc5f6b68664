"""Nanoparticle tracking analysis: from scatter videos to number-weighted size distributions.

The public names are loaded when they are first used, so that ``import nta`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "analyze": "nta.pipeline",
    "load": "nta.report",
    "Measurement": "nta.measurement",
    "open_video": "nta.video",
    "write_video": "nta.video",
    "Video": "nta.video",
    "detect": "nta.detection",
    "Detections": "nta.detection",
    "link": "nta.tracking",
    "Tracks": "nta.tracking",
    "ensemble_msd": "nta.tracking",
    "estimate_diffusion": "nta.diffusion",
    "Diffusion": "nta.diffusion",
    "size_distribution": "nta.distribution",
    "SizeDistribution": "nta.distribution",
    "particle_concentration": "nta.concentration",
    "Concentration": "nta.concentration",
    "Settings": "nta.settings",
    "Acquisition": "nta.settings",
    "Estimate": "nta.estimate",
    "NTAError": "nta.errors",
    "compare": "nta.comparison",
    "Comparison": "nta.comparison",
    "export": "nta.formats",
    "import_results": "nta.importing",
    "inspect_file": "nta.inspection",
    "simulate": "nta.simulation",
    "Scene": "nta.simulation",
}

__all__ = [
    "Acquisition",
    "Comparison",
    "Concentration",
    "Detections",
    "Diffusion",
    "Estimate",
    "Measurement",
    "NTAError",
    "Scene",
    "Settings",
    "SizeDistribution",
    "Tracks",
    "Video",
    "__version__",
    "analyze",
    "compare",
    "detect",
    "ensemble_msd",
    "estimate_diffusion",
    "export",
    "import_results",
    "inspect_file",
    "link",
    "load",
    "open_video",
    "particle_concentration",
    "simulate",
    "size_distribution",
    "write_video",
]

if TYPE_CHECKING:
    from nta.comparison import Comparison, compare
    from nta.concentration import Concentration, particle_concentration
    from nta.detection import Detections, detect
    from nta.diffusion import Diffusion, estimate_diffusion
    from nta.distribution import SizeDistribution, size_distribution
    from nta.errors import NTAError
    from nta.estimate import Estimate
    from nta.formats import export
    from nta.importing import import_results
    from nta.inspection import inspect_file
    from nta.measurement import Measurement
    from nta.pipeline import analyze
    from nta.report import load
    from nta.settings import Acquisition, Settings
    from nta.simulation import Scene, simulate
    from nta.tracking import Tracks, ensemble_msd, link
    from nta.video import Video, open_video, write_video


def __getattr__(name: str) -> Any:  # noqa: ANN401  # the type is that of the name asked for
    if name not in _HOME:
        raise AttributeError(f"module 'nta' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
