"""The cache of compiled kernels: one folder per content, loaded by the next process, or done without."""

from __future__ import annotations

import ast
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from films_made import brownian_film

from nta import compilation
from nta.compilation import cache_folder, is_compiled, kernel, load_kernels
from nta.video import write_video

TESTS = Path(__file__).parent

LOAD = """
import json, sys, nta.kernels, nta.localisation, nta.spot_fit, nta.tracking.fused_kernels
from nta.compilation import is_compiled, load_kernels
before = is_compiled()
load_kernels()
stats = [k.stats for k in (nta.tracking.fused_kernels.link_frames, nta.spot_fit.fit_spots)]
hits, misses = (sum(sum(getattr(s, name).values()) for s in stats) for name in ("cache_hits", "cache_misses"))
prepared = "numba.misc.cffiimpl" in sys.modules
print(json.dumps({"before": before, "after": is_compiled(), "hits": hits, "misses": misses, "prepared": prepared}))
"""


@pytest.fixture
def cache_root(tmp_path, monkeypatch):
    """An empty cache of this test's own; what the process had chosen is chosen anew afterwards."""
    monkeypatch.setenv("NTA_CACHE_DIR", str(tmp_path / "cache"))
    cache_folder.cache_clear()
    yield tmp_path / "cache"
    monkeypatch.undo()
    cache_folder.cache_clear()


def run(code, **environment):
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_DISABLE_JIT": "0", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout


def test_folder_lies_where_the_variable_says(cache_root):
    folder = cache_folder()
    assert folder is not None
    assert folder.is_dir()
    assert folder.parent == cache_root / "nta"


def test_without_the_variable_the_cache_of_the_desktop_is_used(cache_root, tmp_path, monkeypatch):
    monkeypatch.delenv("NTA_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    cache_folder.cache_clear()
    assert cache_folder().parent == tmp_path / "xdg" / "nta"


def folder_now():
    cache_folder.cache_clear()
    return cache_folder().name


def test_folder_follows_the_text_of_every_kernel_file(cache_root, tmp_path, monkeypatch):
    package = tmp_path / "package"
    for source in compilation.KERNEL_SOURCES:
        (package / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(compilation.__file__).parent / source, package / source)
    original = folder_now()
    monkeypatch.setattr(compilation, "__file__", str(package / "compilation.py"))
    assert folder_now() == original
    names = {original}
    for source in compilation.KERNEL_SOURCES:
        with (package / source).open("a") as file:
            file.write("# another comment\n")
        names.add(folder_now())
    assert len(names) == 1 + len(compilation.KERNEL_SOURCES)


def test_folder_follows_the_version_of_numba(cache_root, monkeypatch):
    before = folder_now()
    monkeypatch.setattr(numba, "__version__", "0.0.1")
    assert folder_now() != before


def test_every_file_that_holds_kernels_is_known():
    """A kernel in a file that the folder's name does not know would stay old after a change."""
    package = Path(compilation.__file__).parent
    found = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            decorators = getattr(node, "decorator_list", [])
            if any(ast.unparse(one).startswith(("kernel(", "inner_kernel", "numba.", "njit")) for one in decorators):
                found.add(path.relative_to(package).as_posix())
    assert found
    assert found <= set(compilation.KERNEL_SOURCES)


def test_compiled_says_whether_an_earlier_run_left_its_kernels(cache_root):
    assert not is_compiled()
    load_kernels()
    assert is_compiled()


def test_rare_kernels_wait_for_their_first_call_or_are_asked_for(cache_root):
    @kernel("f8(f8)")
    def often(x: float) -> float:
        return 2.0 * x

    @kernel("f8(f8)", is_rare=True)
    def seldom(x: float) -> float:
        return often(x) + 1.0

    compilation.compile_declared()
    assert (len(often.signatures), len(seldom.signatures)) == (1, 0)
    assert seldom(1.0) == 3.0

    @kernel("f8(f8)", is_rare=True)
    def later(x: float) -> float:
        return often(x) - 1.0

    load_kernels()
    assert is_compiled()
    assert not is_compiled(with_rare=True)
    assert not later.signatures
    load_kernels(with_rare=True)
    assert is_compiled(with_rare=True)
    assert later.signatures


def test_a_rare_kernel_does_not_wait_for_those_of_other_modules(cache_root):
    here, there = (
        kernel("f8(f8)", is_rare=True)(type(homeless)(square.__code__, {"__name__": name})) for name in ("one", "other")
    )
    assert here(3.0) == 9.0
    assert not there.signatures
    assert there(2.0) == 4.0


@pytest.mark.parametrize("obstacle", ["file", "no home"])
def test_where_no_folder_can_be_written_kernels_work_and_one_line_says_so(cache_root, monkeypatch, caplog, obstacle):
    if obstacle == "file":
        cache_root.write_text("a file where the folder should be")
    else:
        monkeypatch.delenv("NTA_CACHE_DIR")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr(Path, "home", homeless)
        cache_folder.cache_clear()
    compilation._say_that_nothing_is_kept.cache_clear()
    with caplog.at_level(logging.WARNING, logger="nta"):
        assert cache_folder() is None
        assert not is_compiled()

        @kernel("f8(f8)")
        def twice(x: float) -> float:
            return 2.0 * x

        assert twice(1.5) == 3.0
        load_kernels()
        load_kernels()
    assert len(caplog.records) == 1
    assert "compiled" in caplog.text


BESIDE = compilation._MEASURING_KERNELS


def square(x):
    return x * x


def homeless():
    raise RuntimeError("Could not determine home directory.")


def test_a_kernel_in_the_cache_folder_leaves_numbas_own_setting_alone(cache_root):
    as_it_was = numba.config.CACHE_DIR

    @kernel("f8(f8)")
    def thrice(x: float) -> float:
        return 3.0 * x

    assert thrice(2.0) == 6.0
    assert as_it_was == numba.config.CACHE_DIR


def test_second_process_loads_and_does_not_compile(tmp_path):
    first = run(LOAD, NTA_CACHE_DIR=str(tmp_path), NTA_THREADS="2")
    # With two cores another process begins at the other end, and puts what it compiles into the cache.
    assert json.loads(first) == {"before": False, "after": True, "hits": 1, "misses": 1, "prepared": True}
    second = run(LOAD, NTA_CACHE_DIR=str(tmp_path))
    # All are there, so that nothing is prepared to compile: 0.2 s.
    assert json.loads(second) == {"before": True, "after": True, "hits": 2, "misses": 0, "prepared": False}


def test_importing_the_analysis_compiles_nothing(tmp_path):
    """Else nobody could be told before it takes ten seconds."""
    run("import nta.pipeline, nta.report, nta.simulation, nta.batch", NTA_CACHE_DIR=str(tmp_path))
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".nbi", ".nbc")]


def test_the_first_call_compiles_and_another_type_is_refused(cache_root):
    @kernel("f8(f8[::1], f8)")
    def scaled_sum(values, factor):
        return values.sum() * factor

    values = np.arange(4.0)
    assert scaled_sum(values, 2) == 12.0  # a whole number for a float is fine, as in the next call
    assert scaled_sum(values, 2) == 12.0
    assert len(scaled_sum.signatures) == 1
    with pytest.raises(TypeError):
        scaled_sum(values.astype(np.float32), 2.0)


def test_nothing_depends_on_the_second_process(cache_root, monkeypatch):
    monkeypatch.setenv("NTA_THREADS", "2")
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    waiting = [kernel("f8(f8)")(type(homeless)(square.__code__, {"__name__": name})) for name in BESIDE]
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *given, **how: started.append(given) or popen(*given, **how))
    load_kernels()
    assert len(started) == 1
    assert [one(3.0) for one in waiting] == [9.0] * len(BESIDE)


def test_each_kernel_is_claimed_by_one_process(cache_root, tmp_path):
    one = kernel("f8(f8)")(type(homeless)(square.__code__, {"__name__": "nta.elsewhere"}))
    compilation.compile_declared({"nta.elsewhere"}, claims=tmp_path)
    assert len(one.signatures) == 1
    other = kernel("f8(f8)")(type(homeless)(square.__code__, {"__name__": "nta.elsewhere"}))
    compilation.compile_declared({"nta.elsewhere"}, claims=tmp_path)
    assert len(other.signatures) == 0  # the first one has begun with it
    assert other(3.0) == 9.0


def test_switching_compilation_off_does_not_claim_that_kernels_are_compiled(tmp_path):
    code = "from nta.compilation import *; load_kernels(); print(is_compiled())"
    output = run(code, NTA_CACHE_DIR=str(tmp_path), NUMBA_DISABLE_JIT="1")
    assert output.strip() == "False"


def test_kernels_are_plain_python_too():
    """Without compilation the kernels must give the same answers: every comparison with a twin runs again."""
    result = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "-k",
                "twin or dense or integrals or test_fused_kernels",
            ),
            *("test_kernels.py", "test_localisation.py"),
            *("detection/test_fused_kernels.py", "tracking/test_fused_linking.py"),
        ],
        cwd=TESTS,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert " passed" in result.stdout


_DETECT = """
import sys
import numpy as np
import nta
import nta.detection
from nta.spot_fit import fit_spots
# Fewer of the frames that are made: plain Python takes a tenth of a second for each.
sys.modules["nta.detection.detectability"]._N_FRAMES = (2, 2)
nta.detection.threshold._N_NOISE_FRAMES = 4
found = nta.detect(nta.open_video(sys.argv[1]), nta.Settings(diameter_px=7, exclude=((0, 0, 15, 20),)))
excluded = found.ledger["spots_excluded_by_region"]
np.savez(sys.argv[2], table=found.table, dimmer=found.dimmer, min_mass=found.min_mass, excluded=excluded)
print(hasattr(fit_spots, "py_func"))
"""


def test_a_whole_detection_gives_the_same_rows_in_plain_python(tmp_path):
    film = write_video(tmp_path / "a.avi", brownian_film(5, 8, shape=(36, 48), peak=50.0, noise_sd=2.0), fps=25)
    found = {}
    for disabled in ("0", "1"):
        to = tmp_path / f"{disabled}.npz"
        told = subprocess.run(
            [sys.executable, "-c", _DETECT, str(film), str(to)],
            env={**os.environ, "NUMBA_DISABLE_JIT": disabled},
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout.split() == [str(disabled == "0")]
        found[disabled] = dict(np.load(to))
    compiled, plain = found.values()
    assert {name: values.tobytes() for name, values in plain.items()} == {
        name: values.tobytes() for name, values in compiled.items()
    }
    assert len(plain["table"]) > 10
    assert plain["excluded"] > 0
