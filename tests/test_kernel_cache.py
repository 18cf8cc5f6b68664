"""Kernels loaded from numba's cache alone: the same answers, and nothing of what compiling needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from nta import kernel_cache

_KERNELS = """
import numpy as np
from nta.compilation import kernel

@kernel("f8[:, ::1](f8[::1], i8)")
def powers(values, n):
    result = np.empty((n, values.size))
    for k in range(n):
        result[k] = np.log(np.abs(values)) * k + values[0]
    return result

@kernel("f8(f8[::1])")
def total(values):
    return powers(values, 3).sum()
"""

_USE = """
import json, sys
import numpy as np
from nta import compilation, kernel_cache
kernel_cache.TESTED_VERSIONS = kernel_cache.TESTED_VERSIONS if sys.argv[1] == "as it is" else ()
import kernels_made
compilation.compile_declared({"kernels_made"})
is_prepared = "numba.misc.cffiimpl" in sys.modules
values = np.linspace(-1.0, 2.0, 7)
found = [kernels_made.powers(values, 4).tolist(), kernels_made.total(values)]
try:
    kernels_made.total(values.astype("f4"))
except TypeError:
    found.append("refused")
hits = [sum(one.stats.cache_hits.values()) for one in (kernels_made.powers, kernels_made.total)]
print(json.dumps([found, hits, is_prepared]))
"""


@pytest.fixture
def use(tmp_path):
    """Call the kernels in a new process; return the answers, the hits, and whether numba prepared to compile."""
    (tmp_path / "kernels_made.py").write_text(_KERNELS)
    environment = {
        **os.environ,
        "NUMBA_DISABLE_JIT": "0",
        "NTA_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
    }

    def called(versions="as it is"):
        command = [sys.executable, "-c", _USE, versions]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    return called


def test_this_version_of_numba_is_tested():
    """Where it fails, numba is newer: see whether the other tests of this file pass with it, and add it."""
    assert kernel_cache.is_tested()


def test_loaded_kernels_answer_as_compiled_ones_and_prepare_no_compiling(use, tmp_path):
    found, hits, is_prepared = use()
    assert (hits, is_prepared) == ([0, 0], True)
    assert found[-1] == "refused"
    assert use() == [found, [1, 1], False]
    assert use("none") == [found, [1, 1], True]  # as numba itself does it
    # One that is compiled anew calls one that is loaded.
    for path in tmp_path.rglob("kernels_made.total*"):
        path.unlink()
    assert use() == [found, [1, 0], True]


def _cut(index, data, other):
    data.write_bytes(data.read_bytes()[:1000])


def _empty(index, data, other):
    index.write_bytes(b"")


def _swap(index, data, other):
    data.write_bytes(other.read_bytes())


@pytest.mark.parametrize("damage", [_cut, _empty, _swap])
def test_a_damaged_kernel_is_compiled_and_kept_anew(use, tmp_path, damage):
    found, *_ = use()

    def file(name, suffix):
        return next(tmp_path.rglob(f"kernels_made.{name}*.{suffix}"))

    damage(file("total", "nbi"), file("total", "1.nbc"), file("powers", "1.nbc"))
    assert use() == [found, [1, 0], True]
    assert use() == [found, [1, 1], False]


def test_what_has_no_cache_is_left_alone():
    assert not kernel_cache.load_cached(len, "i8(i8)")
