"""What another program measured -> a store: an export goes on record as a sample, beside our own."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from nta.batch import keys
from nta.errors import RejectedError
from nta.measurement import Measurement
from nta.record import hash_of
from nta.report.folder import DISTRIBUTION, SUMMARY, files_of
from nta.store import CaptureRecord, CollectionRecord, MeasurementRecord, Store


def record_import(store: Store, path: Path, measurement: Measurement, collection: CollectionRecord) -> int:
    """Put an export on record, once, and return the number of its analysis.

    Parameters
    ----------
    store : Store
        Where it goes.
    path : Path
        The export; its hash stands for the captures, which are not at hand.
    measurement : Measurement
        What :func:`nta.import_results` read from it.
    collection : CollectionRecord
        Lot, day and name of the sample, its role and volume.

    Raises
    ------
    RejectedError
        If the export could not be read: there is nothing to put on record.
    """
    sha256 = hash_of(path)
    if measurement.status in ("rejected", "failed") or sha256 is None:
        raise RejectedError(f"{str(path)!r} is not put on record: {measurement.message}", code="no_result")
    files = files_of(measurement)
    settings: dict[str, Any] = {"sha256": sha256, "settings": {}, "sidecar": None, "method": "import"}
    capture = CaptureRecord(
        key=keys.key_of(settings),
        path=str(path),
        inputs=settings,
        status=measurement.status,
        status_code=measurement.status_code,
        message=measurement.message,
        sha256=sha256,
        n_bytes=path.stat().st_size,
    )
    inputs: dict[str, Any] = {"captures": [capture.key], "settings": {}, "method": keys.method_version()}
    record = MeasurementRecord(
        sample=collection.sample,
        key=keys.key_of(inputs),
        inputs=inputs,
        summary=files[SUMMARY].decode(),
        distribution_csv=files[DISTRIBUTION].decode(),
        files={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        capture_keys=(capture.key,),
        settings="{}",
    )
    with store.writing() as writer:
        writer.collection(collection)
        writer.capture(capture)
        return writer.measurement(record)
