"""Where numba's compiled kernels live, and whether they are there already.

One folder a user, named after what the machine code depends on: nta's kernel sources, numba, Python. A new
version therefore never loads old code, and the presence of the folder's mark says that nothing has to be
compiled. Where no folder can be written, kernels are compiled anew in each process and nothing else changes.

Importing a module compiles nothing: kernels are declared, and compiled together by :func:`load_kernels` or by the
first call of one. All of them take 15 to 20 seconds of one core, so two share the work. Kernels that few
measurements call wait for their first call.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Container, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from threading import RLock
from types import FunctionType
from typing import Any, Final, NamedTuple, Protocol, TypeVar, cast

import numba

from nta.kernel_cache import load_cached
from nta.progress import Progress
from nta.threads import thread_count

logger = logging.getLogger(__name__)

KERNEL_SOURCES: Final = (
    "kernels.py",
    "localisation.py",
    "spot_equations.py",
    "spot_fit.py",
    "spot_pixels.py",
    "detection/fused_bandpass.py",
    "detection/fused_exact.py",
    "detection/fused_features.py",
    "detection/fused_peaks.py",
    "simulation/rendering.py",
    "tracking/fused_groups.py",
    "tracking/fused_kernels.py",
    "compilation.py",
)
"""Files that hold kernels, relative to the package: their text decides which cache folder is used."""

_config: Any = numba.config  # its names are set at run time, where a type checker cannot see them

_njit: Any = numba.njit  # the stubs do not know every option

_INNER: Final = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True, "no_cpython_wrapper": True}

# In the order in which they are compiled. A second process begins at the end, where least has to be imported, and the
# kernel that takes longest comes first: what both end with shall be short.
_MEASURING_KERNELS: Final = (
    "nta.tracking.fused_kernels",
    "nta.detection.fused_bandpass",
    "nta.detection.fused_exact",
    "nta.detection.fused_peaks",
    "nta.detection.fused_features",
    "nta.localisation",
    "nta.kernels",
    "nta.spot_fit",
)


class _Declared(Protocol):
    """What is used of numba's dispatcher, whose stubs leave it out."""

    py_func: FunctionType
    signatures: list[tuple[object, ...]]
    overloads: dict[tuple[object, ...], Any]

    def compile(self, signature: str) -> object: ...

    def disable_compile(self) -> None: ...


class _Waiting(NamedTuple):
    """A kernel that waits for being compiled."""

    compiled: _Declared
    signature: str
    is_rare: bool


_declared: list[_Waiting] = []
_LOCK: Final = RLock()

_STAGE: Final = "compiling the numerical kernels, once on this machine"

_LONGEST_WAIT_S: Final = 60.0
"""For the second process to end: what it has not done by then is compiled here."""

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


def kernel(signature: str, *, is_rare: bool = False) -> Callable[[_F], _F]:
    """Let a function be compiled for one explicit signature, or loaded from the cache folder, before its first call.

    Declaring costs nothing, so that importing a module compiles nothing: :func:`load_kernels` compiles all that is
    declared, and so does the first call of a kernel without it. ``fastmath`` stays off: it would break the NaN that
    mark missing values (see :mod:`math`'s ``isnan``).

    Parameters
    ----------
    signature : str
        Types of the result and of the arguments, as numba writes them.
    is_rare : bool
        Whether most measurements do without it: it then waits, with those of its module, for the first call of one.
    """
    folder = cache_folder()

    def decorate(function: _F) -> _F:
        with _numbas_cache_in(folder):
            compiled: Any = _njit(cache=folder is not None, nogil=True, error_model="numpy", no_cfunc_wrapper=True)(
                function
            )
        if not _config.DISABLE_JIT:
            # What numba calls for types that it has not compiled yet; it hands back what to call.
            compiled._compile_for_args = partial(_at_first_call, compiled)
            _declared.append(_Waiting(compiled, signature, is_rare))
        return cast("_F", compiled)

    return decorate


def _at_first_call(compiled: _Declared, *_arguments: object, **_names: object) -> object:
    compile_declared()
    if not compiled.signatures:
        compile_declared({compiled.py_func.__module__}, is_rare=True)
    return compiled.overloads[compiled.signatures[0]].entry_point


def compile_declared(
    modules: Container[str] | None = None, *, is_rare: bool = False, claims: Path | None = None
) -> None:
    """Compile or load the kernels that have been declared, those that a kernel calls before itself.

    Parameters
    ----------
    modules : container of str, optional
        Only those of these modules.
    is_rare : bool
        Those that few measurements call, and not the others.
    claims : Path, optional
        Folder of a mark for each kernel that a process has begun with; those of the other one are left to it.
    """
    with _LOCK:
        for waiting in [one for one in _declared if one.is_rare == is_rare]:
            compiled = waiting.compiled
            is_asked = modules is None or compiled.py_func.__module__ in modules
            if is_asked and (claims is None or _claim(claims, waiting)):
                if not load_cached(compiled, waiting.signature):
                    compiled.compile(waiting.signature)
                compiled.disable_compile()
                _declared.remove(waiting)


def _claim(claims: Path, waiting: _Waiting) -> bool:
    """Claim a kernel for this process to compile; return whether the other one has not."""
    name = f"{waiting.compiled.py_func.__module__} {waiting.compiled.py_func.__name__} {waiting.signature}"
    try:
        (claims / hashlib.sha256(name.encode()).hexdigest()[:16]).touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError:
        return True  # nothing can be claimed: compiled twice is better than not
    return True


def compile_from_the_end(claims: Path) -> None:
    """Compile what another process has not begun with, the last modules first."""
    for name in reversed(_MEASURING_KERNELS):
        importlib.import_module(name)
        compile_declared({name}, claims=claims)


@contextmanager
def _numbas_cache_in(folder: Path | None) -> Iterator[None]:
    before = _config.CACHE_DIR
    _config.CACHE_DIR = "" if folder is None else str(folder)
    try:
        yield
    finally:
        _config.CACHE_DIR = before


def inner_kernel(function: _F) -> _F:
    """Compile a function together with the kernels that call it, for the types they call it with.

    It has no door to Python, which takes a third of a small kernel's time, and is not looked up in the cache where
    the kernels that call it are there.
    """
    return cast("_F", _njit(**_INNER)(function))


def fused_kernel(function: _F) -> _F:
    """Compile like :func:`inner_kernel`, and let products be added without rounding them first.

    For results whose error is bounded and judged afterwards: the last bits depend on the processor.
    """
    return cast("_F", _njit(fastmath={"contract"}, **_INNER)(function))


def is_compiled(*, with_rare: bool = False) -> bool:
    """Return whether an earlier run left its kernels for this one to load, the rare ones too if asked."""
    folder = cache_folder()
    return folder is not None and all((folder / mark).is_file() for mark in _marks(with_rare))


def _marks(with_rare: bool) -> tuple[str, ...]:
    return ("complete", "complete-rare") if with_rare else ("complete",)


def load_kernels(*, with_rare: bool = False) -> None:
    """Import every kernel that measuring needs, compile what is not cached, mark the cache as complete.

    Rare kernels are left for their first call unless they are asked for. Where there are two cores a second process
    compiles into the cache meanwhile, from the other end: each takes what the other has not begun with.
    """
    is_collecting = gc.isenabled()
    gc.disable()  # compiling makes millions of objects and no garbage worth a search
    try:
        with _compiling_beside() as claims:
            for name in _MEASURING_KERNELS:
                importlib.import_module(name)
            for name in _MEASURING_KERNELS:
                compile_declared({name}, claims=claims)
        compile_declared()
        if with_rare:
            compile_declared(is_rare=True)
    finally:
        if is_collecting:
            gc.enable()
    folder = cache_folder()
    if folder is None:
        _say_that_nothing_is_kept()
    elif not _config.DISABLE_JIT:
        for mark in _marks(with_rare):
            (folder / mark).touch()


def announce_kernels(progress: Progress, *, with_rare: bool = False) -> None:
    """Do what :func:`load_kernels` does where anything has to be compiled, and tell ``progress`` before."""
    if not is_compiled(with_rare=with_rare) and not _is_loaded(with_rare):
        progress(_STAGE, 0, 1)
        load_kernels(with_rare=with_rare)
        progress(_STAGE, 1, 1)


def _is_loaded(with_rare: bool) -> bool:
    """Return whether this process has the kernels, kept or not."""
    are_imported = all(name in sys.modules for name in _MEASURING_KERNELS)
    return are_imported and not any(with_rare or not one.is_rare for one in _declared)


@contextmanager
def _compiling_beside() -> Iterator[Path | None]:
    """Let another process compile into the cache until the block ends; give the folder in which both claim kernels.

    Nothing depends on it: what it leaves undone, and all where no other process can be had, is compiled here.
    """
    # Those of modules that are not imported yet, which the other process does meanwhile, wait too.
    waiting = {one.compiled.py_func.__module__ for one in _declared}
    is_needed = not is_compiled() and all(name in waiting or name not in sys.modules for name in _MEASURING_KERNELS)
    is_possible = cache_folder() is not None and not _config.DISABLE_JIT and thread_count() > 1 and bool(sys.executable)
    with ExitStack() as stack:
        try:
            both = _second_compiler(stack) if is_needed and is_possible else None
        except OSError:
            both = None
        if both is None:
            yield None
            return
        claims, process = both
        try:
            yield claims
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LONGEST_WAIT_S)
        finally:
            process.kill()  # after Ctrl-C nobody waits for it any more; one that has ended does not notice


def _second_compiler(stack: ExitStack) -> tuple[Path, subprocess.Popen[bytes]]:
    """Start a process that compiles from the end; return the folder of claims, and the process."""
    claims = stack.enter_context(tempfile.TemporaryDirectory(prefix="nta-claims-", ignore_cleanup_errors=True))
    work = "import gc, sys, pathlib; from nta.compilation import compile_from_the_end; gc.disable(); "
    work += "compile_from_the_end(pathlib.Path(sys.argv[1]))"
    # The folder of this very package comes first, however it was found here; -P keeps the working folder out.
    paths = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    process = subprocess.Popen(  # noqa: S603  # this very Python and words of this file
        [sys.executable, "-P", "-c", work, claims],
        env={**os.environ, "PYTHONPATH": paths},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return Path(claims), stack.enter_context(process)


@cache
def _say_that_nothing_is_kept() -> None:
    """Log it, once a process: every step of a measurement loads the kernels."""
    logger.warning("no folder for compiled kernels can be written: they are compiled anew in every run")
