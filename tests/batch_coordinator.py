"""A batch in a process of its own, which tests kill: ``batch_coordinator.py CAMPAIGN OUT STORE WORKERS [POINT N]``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def main() -> None:
    from batch_work import WORK, InlineExecutor

    from nta.batch import LocalExecutor, read_manifest, run_batch
    from nta.store import Store

    campaign, out, location, workers, *kill = sys.argv[1:]
    point, left = (kill[0], int(kill[1])) if kill else ("", 0)

    def told(reached: str) -> None:
        nonlocal left
        if reached == point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    executor = LocalExecutor(int(workers), timeout_s=60.0) if workers != "0" else InlineExecutor()
    Path(out).mkdir(exist_ok=True)
    store = Store.open(location, objects=Path(out) / "objects")
    run_batch(read_manifest(campaign), out, store=store, executor=executor, work=WORK, told=told)


if __name__ == "__main__":
    main()
