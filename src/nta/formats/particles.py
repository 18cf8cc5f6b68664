"""NanoSight ``_ParticleData.csv``: one row a particle, with the size that NTA gave it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nta.formats.foreign import ForeignCapture, ForeignResult, Histogram
from nta.formats.identities import size_times_diffusion_nm_um2_s
from nta.formats.sidecar import sidecar_of
from nta.formats.table import Table, read_table
from nta.formats.text import damaged, truncated

PARTICLE: Final = "Particle ID"
SIZE: Final = "Size/nm"
DIFFUSION: Final = "Diffusion coefficient/nm^2 s^-1"
INCLUDED: Final = "Included in distribution?"
_COLUMNS: Final = (PARTICLE, SIZE, DIFFUSION, INCLUDED)

_PRODUCT_TOLERANCE: Final = 0.02
"""Sizes of 30 nm written as whole numbers are off by as much."""

_BROKEN_SHARE: Final = 0.01

LARGEST_NM: Final = 100_000.0
"""A larger one is a digit too many: no tracking sees it, and bins of 1 nm up to it would fill the memory."""

Floats = NDArray[np.float64]


def is_particle_data(columns: tuple[str, ...]) -> bool:
    """Return whether the columns are those of a table of particles, and not of their positions."""
    return set(_COLUMNS) <= set(columns) and "Frame" not in columns


def read_particles(path: Path) -> ForeignResult:
    """Return the particles that NTA included in its distribution: tracks in bins of 1 nm.

    The mode is missing: that of single tracks depends on how they are smoothed.

    Raises
    ------
    RejectedError
        ``truncated`` without a row, ``damaged`` for a size that is not positive or above :data:`LARGEST_NM`.
    """
    table = read_table(path)
    if not len(table.cells):
        raise truncated(path, "it holds a head and no particle")
    size_nm, included = table.numbers(SIZE), table.flags(INCLUDED)
    used = size_nm[included]
    if (used <= 0).any():
        raise damaged(path, "a particle of its distribution has no size")
    if (used > LARGEST_NM).any():
        raise damaged(path, f"a particle of {used.max():.4g} nm is above the limit of {LARGEST_NM:g} nm")
    sidecar = sidecar_of(path)
    edges = np.arange(0.0, np.ceil(used.max(initial=1.0)) + 1.0)
    counts = np.histogram(used, edges)[0].astype(np.float64)
    capture = ForeignCapture(
        name=path.stem,
        values=sidecar.values,
        size_nm=_statistics(used),
        n_frames=None if sidecar.capture is None else sidecar.capture.n_frames,
        tracks=len(size_nm),
        tracks_used=len(used),
    )
    return ForeignResult(
        path=path,
        sha256=table.sha256,
        kind="NanoSight particle data",
        program="NTA" if sidecar.experiment is None else sidecar.experiment.details.get("program", "NTA"),
        sample=path.stem.removesuffix("_ParticleData"),
        captures=(capture,),
        histogram=Histogram((edges[1:] + edges[:-1]) / 2.0, counts[None, :]),
        complaints=broken_products(table, sidecar.values),
    )


def _statistics(size_nm: Floats) -> Mapping[str, float]:
    if not len(size_nm):
        return {}
    low, middle, high = np.quantile(size_nm, (0.1, 0.5, 0.9))
    sd = {"sd": float(np.std(size_nm, ddof=1))} if len(size_nm) > 1 else {}
    return {"mean": float(size_nm.mean()), "d10": float(low), "d50": float(middle), "d90": float(high)} | sd


def broken_products(table: Table, values: Mapping[str, float]) -> tuple[str, ...]:
    """Return a sentence where size times diffusion coefficient is not the one constant of the liquid.

    Parameters
    ----------
    table : Table
        With the columns of sizes (nm) and diffusion coefficients (nm²/s).
    values : dict of float
        ``temperature_c`` and ``viscosity_mpas`` where they are known.
    """
    product = table.numbers(SIZE) * table.numbers(DIFFUSION) * 1e-6
    product = product[product > 0]
    if not len(product):
        return ()
    middle = float(np.median(product))
    share = float(np.mean(np.abs(product / middle - 1.0) > _PRODUCT_TOLERANCE))
    if share > _BROKEN_SHARE:
        return (f"size and diffusion coefficient of {share:.0%} of the particles do not belong to one liquid",)
    if {"temperature_c", "viscosity_mpas"} <= set(values):
        known = size_times_diffusion_nm_um2_s(values["temperature_c"], values["viscosity_mpas"])
        if abs(middle / known - 1.0) > _PRODUCT_TOLERANCE:
            return (
                f"size times diffusion coefficient is {middle:.4g} nm µm²/s, and {known:.4g} at the stated temperature "
                "and viscosity",
            )
    return ()
