"""Three processes write to one store at once: no lock error, nothing lost, one unbroken chain."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from sqlalchemy import text

from nta.store import Store

TESTS = Path(__file__).resolve().parents[1]

WRITER = """
import sys, time
sys.path.insert(0, sys.argv[4])
from store_records import capture, measurement, sample
from nta.store import Store
location, number, until = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
store = Store.open(location, objects=None, who=f"writer {number}")
done = 0
while time.time() < until:
    one = number * 1_000_000 + done
    with store.writing() as writer:
        writer.capture(capture(one))
    with store.writing() as writer:
        writer.capture(capture(7_000_000 + done))  # which all three would add
        writer.measurement(measurement(one, sample(f"harvest {number}")))
    store.known_captures([f"{one:064x}"])
    done += 1
print(done)
"""


def test_three_writers_lose_nothing(location, tmp_path, long_run):
    (tmp_path / "store").mkdir()
    seconds = 60.0 if long_run else 4.0
    Store.open(location)
    until = time.time() + 2.0 + seconds
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(location), str(number), str(until), str(TESTS)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in (1, 2, 3)
    ]
    done = []
    for writer in writers:
        out, error = writer.communicate(timeout=seconds + 60)
        assert writer.returncode == 0, error
        done.append(int(out))
    assert min(done) > 0
    store = Store.open(location)
    with store.engine.connect() as connection:
        captures = connection.execute(text("SELECT count(*) FROM captures")).scalar()
        measurements = connection.execute(text("SELECT count(*) FROM measurements")).scalar()
    assert measurements == sum(done)
    assert captures == sum(done) + max(done)
    assert store.verify().holds
