"""What writing a result imports is imported beside the last steps of an analysis, by whoever will write one."""

from __future__ import annotations

import subprocess
import sys

from nta.progress import silent
from nta.report import ahead
from nta.threads import VARIABLE

_LISTEN = """
import sys, threading
from nta.report.ahead import importing_meanwhile
told = []
listen = importing_meanwhile(lambda *given: told.append(given))
listen("detect", 1, 2)
assert "matplotlib" not in sys.modules
for _ in range(2):
    listen("link", 1, 2)
importing = [one for one in threading.enumerate() if one.name == "nta-imports"]
for one in importing:
    one.join()
print(len(importing), {"matplotlib", "jinja2", "pyarrow"} <= set(sys.modules), len(told))
"""


def test_the_imports_begin_once_and_not_before_a_film_is_searched(monkeypatch):
    monkeypatch.setenv(VARIABLE, "2")
    done = subprocess.run([sys.executable, "-c", _LISTEN], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "True", "3"]


def test_with_one_thread_nothing_runs_beside(monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")
    assert ahead.importing_meanwhile(silent) is silent


def test_an_import_that_fails_is_left_to_the_writer(monkeypatch):
    tried = []

    def missing(name):
        tried.append(name)
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(ahead.importlib, "import_module", missing)
    ahead._import()
    assert tried == list(ahead._MODULES)
