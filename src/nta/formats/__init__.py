"""Files of other systems: what NanoSight and ZetaView leave, read strictly, and results written for other programs."""

from nta.formats.foreign import ForeignCapture, ForeignResult
from nta.formats.kinds import KINDS, Kind, kind_of
from nta.formats.names import dilution_flag, dilution_in, proposed_dilution
from nta.formats.nano import Experiment, NanoCapture, read_nano
from nta.formats.reading import read_foreign
from nta.formats.sidecar import Sidecar, experiments_in, sidecar_of
from nta.formats.tracks import TrackTable, read_tracks, track_kind
from nta.formats.writers import Layout, export

__all__ = [
    "KINDS",
    "Experiment",
    "ForeignCapture",
    "ForeignResult",
    "Kind",
    "Layout",
    "NanoCapture",
    "Sidecar",
    "TrackTable",
    "dilution_flag",
    "dilution_in",
    "experiments_in",
    "export",
    "kind_of",
    "proposed_dilution",
    "read_foreign",
    "read_nano",
    "read_tracks",
    "sidecar_of",
    "track_kind",
]
