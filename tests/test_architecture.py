"""The shape of the house: which way data flows, which file is the door to which library."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import nta
import nta_cli

PACKAGE = Path(nta.__file__).parent
COMMAND_LINE = Path(nta_cli.__file__).parent
STANDARD = sys.stdlib_module_names

# A module may import from those that stand before it. A new module must take its place here.
ORDER = (
    "errors",
    "estimate",
    "size_statistics",
    "media",
    "progress",
    "threads",
    "csvtable",
    "kernel_cache",
    "compilation",
    "kernels",
    "settings",
    "spot_pixels",
    "spot_equations",
    "spot_fit",
    "localisation",
    "sampling",
    "lines",
    "penalised",
    "video",
    "simulation",
    "detection",
    "overlap",
    "saturation",
    "tracking",
    "lags",
    "likelihood",
    "diffusion",
    "visibility",
    "track_length",
    "resampling",
    "mixture",
    "alternatives",
    "fitting",
    "weighting",
    "distribution",
    "uncertainty",
    "counting",
    "system_check",
    "calibration",
    "concentration",
    "sensitivity",
    "blank",
    "agreement",
    "quality",
    "measurement",
    "record",
    "stage_jumps",
    "formats",
    "inputs",
    "inspection",
    "from_tracks",
    "pipeline",
    "importing",
    "dilutions",
    "standards",
    "store",
    "production",
    "trends",
    "comparison",
    "report",
    "batch",
    "cluster",
)

# Imports against the flow, each inside a function: (importing module, imported module).
UPWARD = {
    ("measurement", "report"),  # Measurement.save and .plot are the short way to what report offers
    ("compilation", "kernels"),  # one place loads all kernels, so that compiling can be announced
    ("compilation", "localisation"),
}

# Library -> the modules of nta that may import it.
DOORS = {
    "av": {"video"},
    "tifffile": {"video"},
    "trackpy": {"detection", "tracking"},
    "matplotlib": {"report"},
    "jinja2": {"report"},
    "reportlab": {"report"},
    "click": set(),
    "rich": set(),
    "nta_cli": set(),
    "pydantic": {"settings", "simulation"},
    "sqlalchemy": {"store"},
    "distributed": {"cluster"},
    "dask": {"cluster"},
}

# Loaded inside functions only: they take long, and most uses of nta do not need them.
SLOW = {"trackpy", "matplotlib"}


class Import(NamedTuple):
    file: Path
    line: int
    module: str
    is_local: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


def imports_of(file: Path, package: str) -> Iterator[Import]:
    """Yield what a file imports, but for what only a type checker sees."""
    tree = ast.parse(file.read_text(encoding="utf-8"))

    def visit(node: ast.AST, is_local: bool) -> Iterator[Import]:
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            children: list[ast.AST] = list(node.orelse)
        else:
            children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name, is_local)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports name the package in full"
            assert node.module is not None
            for alias in node.names:
                # `from nta import video` imports the module nta.video
                is_module = node.module == package and alias.name != "__version__"
                yield Import(file, node.lineno, f"{node.module}.{alias.name}" if is_module else node.module, is_local)
        inside = is_local or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in children:
            yield from visit(child, inside)

    yield from visit(tree, False)


def room(file: Path) -> str:
    """Return the module of nta, or its folder, to which a file belongs."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


LIBRARY_FILES = sorted(PACKAGE.rglob("*.py"))
LIBRARY_IMPORTS = [found for file in LIBRARY_FILES for found in imports_of(file, "nta")]


def flow_faults(imports: list[Import]) -> list[str]:
    """Return the imports that go against the order of the rooms."""
    faults = []
    for found in imports:
        here, parts = room(found.file), found.module.split(".")
        if parts[0] != "nta" or len(parts) == 1 or here == "__init__":
            continue
        there = parts[1]
        if there not in ORDER:
            faults.append(f"{found}, which has no place in ORDER")
        elif ORDER.index(there) > ORDER.index(here) and not (found.is_local and (here, there) in UPWARD):
            faults.append(f"{found} against the flow of data")
    return faults


def test_every_module_has_its_place():
    rooms = {room(file) for file in LIBRARY_FILES} - {"__init__"}
    assert rooms <= set(ORDER), f"give {sorted(rooms - set(ORDER))} a place in ORDER"


def test_data_flows_one_way():
    assert not flow_faults(LIBRARY_IMPORTS)


def test_a_fault_in_the_flow_would_be_found(tmp_path, monkeypatch):
    monkeypatch.setattr("test_architecture.PACKAGE", tmp_path)
    for name, text in {
        "video.py": "from nta.tracking import link",
        "media.py": "def f():\n    from nta import settings",
        "measurement.py": "def f():\n    from nta.report import save",
        "production.py": "if TYPE_CHECKING:\n    from nta.report import save\nelse:\n    import nta.report.yields",
    }.items():
        (tmp_path / name).write_text(text)
    imports = [found for file in sorted(tmp_path.glob("*.py")) for found in imports_of(file, "nta")]
    faults = flow_faults(imports)
    assert [Path(fault.split(":")[0]).name for fault in faults] == ["media.py", "production.py", "video.py"]


@pytest.mark.parametrize("library", DOORS)
def test_one_door_per_library(library):
    through = [
        str(found)
        for found in LIBRARY_IMPORTS
        if found.module.split(".")[0] == library and room(found.file) not in DOORS[library]
    ]
    assert not through, f"{library} belongs in {sorted(DOORS[library]) or 'the command line'}"


def test_slow_libraries_are_not_loaded_by_the_modules_that_everything_uses():
    """The package, its nouns and its settings must not load what takes a second."""
    light = {
        "__init__",
        "errors",
        "estimate",
        "media",
        "progress",
        "csvtable",
        "settings",
        "measurement",
        "quality",
    }
    found = [
        str(found)
        for found in LIBRARY_IMPORTS
        if room(found.file) in light and not found.is_local and found.module.split(".")[0] in SLOW | {"av"}
    ]
    assert not found


def test_the_analysis_cannot_see_the_truth():
    """Nothing on the road from video to measurement imports the simulator or reads its truth files."""
    found = [
        str(found)
        for found in LIBRARY_IMPORTS
        if found.module.startswith("nta.simulation") and room(found.file) not in ("simulation", "__init__")
    ]
    assert not found
    reading = [
        str(file)
        for file in LIBRARY_FILES
        if room(file) != "simulation" and "truth.json" in file.read_text(encoding="utf-8")
    ]
    assert not reading


def test_the_command_line_uses_no_library_of_the_inside():
    allowed = {"nta", "nta_cli", "click", "rich"}
    for file in sorted(COMMAND_LINE.rglob("*.py")):
        for found in imports_of(file, "nta_cli"):
            top = found.module.split(".")[0]
            assert top in allowed or top in STANDARD, f"{found}: physics belongs in nta"


def test_only_click_is_loaded_before_a_command_is_chosen():
    for found in imports_of(COMMAND_LINE / "main.py", "nta_cli"):
        top = found.module.split(".")[0]
        assert found.module in ("nta", "nta.__version__", "nta.errors", "click") or top in STANDARD, str(found)


def test_no_drawer_for_odds_and_ends():
    names = {file.stem for file in [*LIBRARY_FILES, *COMMAND_LINE.rglob("*.py")]}
    assert not names & {"utils", "util", "helpers", "misc", "common"}


def test_every_file_says_what_it_is_for():
    for file in [*LIBRARY_FILES, *COMMAND_LINE.rglob("*.py")]:
        assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))), f"{file} has no docstring"


def test_every_public_name_loads():
    for name in nta.__all__:
        assert getattr(nta, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = nta.nonsense
