"""What a plan says before anything runs: one event for everything that was found, with its status and reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nta.batch.blanks import captures_of_blank
from nta.batch.events import Event
from nta.batch.jobs import Work
from nta.batch.plan import CaptureJob, Plan, SampleJob
from nta.errors import NTAError
from nta.store import Store

_ONCE: Final = "once for all samples"


def planned(plan: Plan, store: Store, work: Work) -> Iterator[Event]:
    """Yield every sample of a plan, each with its captures, those of its blank, and those left out.

    Last come, as ``warned``, the captures whose bytes stand in two samples.

    Parameters
    ----------
    plan : Plan
        From :func:`nta.batch.make_plan`.
    store : Store
        Where captures are on record.
    work : Work
        Says how a blank is to be measured.
    """
    own: list[list[CaptureJob]] = [[] for _ in plan.samples]
    for capture in plan.captures:
        own[capture.sample].append(capture)
    listed: set[str] = set()
    for number, (job, captures) in enumerate(zip(plan.samples, own, strict=True)):
        name = job.sample.name
        yield Event("planned", "sample", name, name, job.state, job.reason)
        for capture in captures:
            yield Event("planned", "capture", str(capture.path), name, capture.state, capture.reason)
        yield from _blank(number, job, captures, store, work, listed)
        for excluded in job.sample.excluded:
            yield Event("planned", "capture", str(excluded.video), name, "excluded", excluded.reason)
    warned: set[str] = set()
    for job in plan.samples:
        for code, message in job.remarks:
            if message not in warned:  # it is said of both samples
                yield Event("warned", "sample", job.sample.name, job.sample.name, "warn", f"{code}: {message}")
            warned.add(message)


def _blank(
    number: int, job: SampleJob, captures: list[CaptureJob], store: Store, work: Work, listed: set[str]
) -> Iterator[Event]:
    """Yield the captures of a sample's blank; ``listed`` holds the keys of those that came before."""
    name = job.sample.name
    if not job.settings.blank:
        return
    found = None
    if job.state == "run" and captures and all(capture.state == "done" for capture in captures):
        try:
            found = captures_of_blank(number, job, [one.key or "" for one in captures], store, work.for_blank)
        except NTAError as error:
            yield Event("planned", "blank", job.settings.blank[0], name, "run", str(error))
            return
    if found is None:
        # How it is measured is known when the captures of its sample are.
        reason = f"unless it is on record; {_ONCE}" if job.state == "run" else ""
        for path in job.settings.blank:
            yield Event("planned", "blank", path, name, job.state, reason)
        return
    for one in found:
        is_repeat = one.state == "run" and one.key in listed
        yield Event("planned", "blank", str(one.path), name, one.state, _ONCE if is_repeat else one.reason)
        listed.add(one.key or "")
