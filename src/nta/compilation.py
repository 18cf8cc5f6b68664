"""Where numba's compiled kernels live, and whether they are there already.

One folder a user, named after what the machine code depends on: nta's kernel sources, numba, Python. A new
version therefore never loads old code, and the presence of the folder's mark says that nothing has to be
compiled. Where no folder can be written, kernels are compiled anew in each process and nothing else changes.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import logging
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba

logger = logging.getLogger(__name__)

KERNEL_SOURCES: Final = (
    "kernels.py",
    "localisation.py",
    "spot_fit.py",
    "detection/fused_features.py",
    "detection/fused_kernels.py",
    "simulation/rendering.py",
    "tracking/fused_groups.py",
    "tracking/fused_kernels.py",
    "compilation.py",
)
"""Files that hold kernels, relative to the package: their text decides which cache folder is used."""

_config: Any = numba.config  # its names are set at run time, where a type checker cannot see them

_njit: Any = numba.njit  # the stubs do not know every option

_MEASURING_KERNELS: Final = (
    "nta.kernels",
    "nta.localisation",
    "nta.spot_fit",
    "nta.detection.fused_kernels",
    "nta.detection.fused_features",
    "nta.tracking.fused_kernels",
)

_F = TypeVar("_F", bound=Callable[..., Any])


@cache
def cache_folder() -> Path | None:
    """Return the writable per-user folder of compiled kernels, or ``None`` where there is none."""
    package = Path(__file__).parent
    digest = hashlib.sha256(f"{numba.__version__} {sys.version}".encode())
    for source in KERNEL_SOURCES:
        if (package / source).is_file():
            digest.update((package / source).read_bytes())
    root = os.environ.get("NTA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    try:
        # A user without a home (a container's bare number) makes Path.home raise RuntimeError.
        parent = Path(root) if root else Path.home() / ".cache"
        folder = parent / "nta" / f"kernels-{digest.hexdigest()[:16]}"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return folder if os.access(folder, os.W_OK) else None


def kernel(signature: str) -> Callable[[_F], _F]:
    """Compile a function for one explicit signature, or load it from the cache folder.

    ``fastmath`` stays off: it would break the NaN that mark missing values (see :mod:`math`'s ``isnan``).
    """
    folder = cache_folder()

    def decorate(function: _F) -> _F:
        before = _config.CACHE_DIR
        _config.CACHE_DIR = "" if folder is None else str(folder)
        try:
            compile_now = _njit(
                signature,
                cache=folder is not None,
                nogil=True,
                error_model="numpy",
                no_cfunc_wrapper=True,
            )
            compiled: Any = compile_now(function)
        finally:
            _config.CACHE_DIR = before
        return cast("_F", compiled)

    return decorate


def inner_kernel(function: _F) -> _F:
    """Compile a function together with the kernels that call it, for the types they call it with.

    It has no door to Python, which takes a third of a small kernel's time, and is not looked up in the cache where
    the kernels that call it are there.
    """
    compiled: Any = _njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True, no_cpython_wrapper=True)(function)
    return cast("_F", compiled)


def is_compiled() -> bool:
    """Return whether an earlier run left its kernels for this one to load."""
    folder = cache_folder()
    return folder is not None and (folder / "complete").is_file()


def load_kernels() -> None:
    """Import every kernel that measuring needs, compile what is not cached, mark the cache as complete."""
    is_collecting = gc.isenabled()
    gc.disable()  # compiling makes millions of objects and no garbage worth a search
    try:
        for name in _MEASURING_KERNELS:
            importlib.import_module(name)
    finally:
        if is_collecting:
            gc.enable()
    folder = cache_folder()
    if folder is None:
        _say_that_nothing_is_kept()
    elif not _config.DISABLE_JIT:
        (folder / "complete").touch()


@cache
def _say_that_nothing_is_kept() -> None:
    """Log it, once a process: every step of a measurement loads the kernels."""
    logger.warning("no folder for compiled kernels can be written: they are compiled anew in every run")
