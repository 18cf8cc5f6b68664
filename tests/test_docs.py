"""The papers of the house say what is true."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path

import click
import pytest

import nta
from nta_cli.main import COMMANDS, cli

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "sample_videos").glob("*.md")])


def make_reference() -> str:
    spec = importlib.util.spec_from_file_location("make_cli_reference", ROOT / "docs" / "make_cli_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.reference()


def test_the_command_reference_is_up_to_date():
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == make_reference(), "run: python docs/make_cli_reference.py"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented(name):
    reference = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    _, _, text = reference.partition(f"## nta {name}\n")
    text = text.partition("\n## ")[0]
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.opts} has no help"
            assert parameter.opts[-1] in text
    assert f"`nta {name}`" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_readme_holds_the_two_commands_literally():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert lines.count("pip install . && nta analyze sample_videos/exosomes_107nm.avi") == 1
    assert lines.count('pip install -e ".[test]" && pytest') == 1


def test_the_readme_uses_only_commands_and_options_that_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, rest in re.findall(r"^(?:.*&& )?nta (\w+)([^#\n]*)", text, flags=re.MULTILINE):
        assert name in COMMANDS
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
        assert set(re.findall(r"(?<=\s)--?[a-z][a-z-]*", rest)) <= known


def test_the_readme_uses_only_public_names_of_the_library():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names = set(re.findall(r"\bnta\.(\w+)", block))
    assert names <= set(nta.__all__)
    assert {"analyze", "open_video", "link", "detect", "size_distribution"} <= names
    compile(block, "README.md", "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_version_is_one():
    assert f"## [{nta.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\nversion: {nta.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_every_dependency_has_a_lower_bound():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for requirement in [*project["dependencies"], *(one for extra in extras.values() for one in extra)]:
        assert requirement.startswith("nta[") or ">=" in requirement, requirement


def test_ci_is_executable_and_reads_its_commands_from_the_readme():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    text = script.read_text(encoding="utf-8")
    assert "exosomes_107nm" not in text
    assert "&& pytest" not in text
