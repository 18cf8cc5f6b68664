"""Machine code out of numba's cache, without what numba needs to compile.

Before numba loads a kernel it prepares to compile one: a hundred modules and a table of all types, 0.2 s, of which a
process that finds all its kernels uses nothing. Here only the machine code is loaded, and the runtime that it calls.
Numba offers no way to do that: the names used are its own, so this is done for those versions alone with which it has
been tested, and with every other one kernels are loaded as numba does it.
"""

from __future__ import annotations

import importlib
import logging
from contextlib import suppress
from typing import Any, Final

import numba

logger = logging.getLogger(__name__)

TESTED_VERSIONS: Final = ("0.68",)
"""Of numba, without the last number. Another one is added when ``tests/test_kernel_cache.py`` passes with it."""


def is_tested() -> bool:
    """Return whether this version of numba is one with which kernels can be loaded alone."""
    return numba.__version__.rpartition(".")[0] in TESTED_VERSIONS


def load_cached(compiled: Any, signature: str) -> bool:  # noqa: ANN401  # numba's dispatcher, which has no stubs
    """Load a kernel from numba's cache for one signature; return whether it was there, whole.

    What a damaged file held is forgotten, so that it is compiled and kept anew.

    Parameters
    ----------
    compiled : numba dispatcher
        Not yet compiled for ``signature``; one without a cache is left as it is.
    signature : str
        As :meth:`compile` of the dispatcher takes it.
    """
    cache: Any = getattr(compiled, "_cache", None)
    if not is_tested() or not hasattr(cache, "_load_overload"):
        return False
    # Not imported above: of another version, nobody knows what these modules hold.
    lock: Any = importlib.import_module("numba.core.compiler_lock").global_compiler_lock
    runtime: Any = importlib.import_module("numba.core.runtime").rtsys
    arguments, _ = importlib.import_module("numba.core.sigutils").normalize_signature(signature)
    with lock:
        runtime.initialize(compiled.targetctx)
        # As in numba's Dispatcher.compile, but that it does not refresh the context before.
        try:
            found = cache._load_overload(signature, compiled.targetctx)
            if found is not None and tuple(found.signature.args) != tuple(arguments):
                raise ValueError("it is that of other types")
        except PermissionError:  # on Windows, while another process writes it
            return False
        except Exception as error:  # noqa: BLE001  # what reading a damaged file may raise is anything
            logger.warning("a compiled kernel in the cache is damaged (%r): it is compiled again", error)
            with suppress(OSError):
                cache.flush()
            return False
        if found is None:
            return False
        compiled._cache_hits[signature] += 1
        compiled.targetctx.insert_user_function(found.entry_point, found.fndesc, [found.library])
        compiled.add_overload(found)
    return True
