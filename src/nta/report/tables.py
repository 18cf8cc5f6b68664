"""The tables of a result folder: ``distribution.csv``, ``tracks.parquet`` and ``diffusion.parquet``.

Parquet files carry units in the column metadata, and under the key ``nta`` a strict JSON text with what the
table alone cannot say (acquisition, drift, search range), so that a noun comes back as it went.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from nta.distribution import SizeDistribution
from nta.errors import RejectedError
from nta.estimate import Estimate
from nta.lags import SafeLag
from nta.report.formatting import is_number, unit_of
from nta.settings import Acquisition
from nta.tracking import LinkedCapture

Noun = TypeVar("Noun")

_KEY: Final = b"nta"
CONCENTRATION_COLUMN: Final = "concentration_per_ml_per_nm"

_COLUMN_UNITS: Final[dict[str, str]] = {
    "x": "px",
    "y": "px",
    "x_refined": "px",
    "y_refined": "px",
    "ep": "px",
    "size": "px (radius of gyration)",
    "ecc": "1",
    "mass": "grey levels",
    "raw_mass": "grey levels",
    "disc_mass": "grey levels",
    "light": "grey levels",
    "signal": "grey levels",
    "frame": "index",
    "first_frame": "index",
    "capture": "index",
    "particle": "index",
    "n_positions": "1",
    "log_likelihood": "1",
}

# The dataclasses that may stand in a file; a name from a file never reaches any other class.
_TYPES: Final[dict[str, type[Any]]] = {kind.__name__: kind for kind in (Acquisition, Estimate, LinkedCapture, SafeLag)}


def distribution_csv(distribution: SizeDistribution, measured_per_ml: float) -> str:
    """Return the text of ``distribution.csv``: header only when nothing was sized, missing numbers empty.

    Parameters
    ----------
    distribution : SizeDistribution
        1 nm grid, density in 1/nm.
    measured_per_ml : float
        Particles per mL in the cell; NaN when it was not measured.
    """
    table = distribution.table.loc[:, list(SizeDistribution.COLUMNS)].astype(float)
    table[CONCENTRATION_COLUMN] = table["density_per_nm"] * measured_per_ml
    text: str = table.to_csv(index=False, lineterminator="\n")
    return text


def read_distribution(path: Path) -> pd.DataFrame:
    """Return the density table of ``distribution.csv``, to the last bit what was written.

    Raises
    ------
    RejectedError
        If the file is not the table that nta writes.
    """
    with path.open(encoding="utf-8", newline="") as file:
        return distribution_of(file, path)


def distribution_of(file: TextIO, path: Path | None = None) -> pd.DataFrame:
    """Return the density table from an open ``distribution.csv``; ``path`` is what an error calls it.

    Raises
    ------
    RejectedError
        If it is not the table that nta writes.
    """
    names = list(SizeDistribution.COLUMNS)
    try:
        # Python's own float() is exact; what pandas does by default differs between its versions.
        reader = csv.DictReader(file)
        if reader.fieldnames != [*names, CONCENTRATION_COLUMN]:
            raise ValueError(f"unexpected columns {reader.fieldnames}")
        rows = [[float(row[name] or "nan") for name in names] for row in reader]
    except (ValueError, csv.Error) as error:
        raise _damaged(path, error) from None
    return pd.DataFrame(np.array(rows, dtype=float).reshape(len(rows), len(names)), columns=names)


def write_noun(
    path: Path | BinaryIO,
    noun: Any,  # noqa: ANN401  # any dataclass
    beside: Mapping[str, Any] | None = None,
    *,
    is_compact: bool = False,
) -> None:
    """Write a frozen dataclass with a ``table`` as Parquet, with units in the metadata of the columns.

    An array with one row for each row of the table becomes a column of lists; every other field goes into the
    context, together with ``beside``. A compact file is a quarter smaller, holds the same bits, and is for nta alone:
    not every program knows its encodings.
    """
    fields = fields_but(noun, "table")
    arrays = {name: value for name, value in fields.items() if _is_row_array(value, len(noun.table))}
    context = {
        "noun": {name: value for name, value in fields.items() if name not in arrays},
        "row_arrays": list(arrays),
        "beside": dict(beside or {}),
    }
    arrow = pa.Table.from_pandas(noun.table, preserve_index=False)
    for name, array in arrays.items():
        arrow = arrow.append_column(name, pa.FixedSizeListArray.from_arrays(array.ravel(), array.shape[1]))
    text = json.dumps(encode(context), allow_nan=False, separators=(",", ":"))
    arrow = arrow.cast(_with_units(arrow.schema)).replace_schema_metadata({_KEY: text.encode()})
    pq.write_table(arrow, path, compression="zstd", **(_compact(arrow.schema) if is_compact else {}))


def _compact(schema: pa.Schema) -> dict[str, Any]:
    """Return how pyarrow writes measured numbers in little room.

    Their last digits are noise, which no dictionary and no compression makes smaller; the bytes of sign and exponent
    are much alike, once they stand together.
    """
    plain = {
        field.name: "BYTE_STREAM_SPLIT" if pa.types.is_floating(field.type) else "DELTA_BINARY_PACKED"
        for field in schema
        if pa.types.is_floating(field.type) or pa.types.is_integer(field.type)
    }
    others = [field.name for field in schema if field.name not in plain]
    return {"use_dictionary": others or False, "column_encoding": plain}


def read_noun(path: Path | BinaryIO, kind: Callable[..., Noun]) -> tuple[Noun, dict[str, Any]]:
    """Return the dataclass that :func:`write_noun` wrote, and what stood beside it.

    Raises
    ------
    RejectedError
        If the file is not Parquet or was not written by this version of nta.
    """
    try:
        arrow = pq.read_table(path)
        context = decode(json.loads((arrow.schema.metadata or {})[_KEY]))
        names = list(context["row_arrays"])
        arrays = {name: _row_array(arrow.column(name)) for name in names}
        noun = kind(arrow.drop_columns(names).to_pandas(), **context["noun"], **arrays)
    except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, error) from None
    return noun, context["beside"]


def read_fields(path: Path) -> dict[str, Any]:
    """Return the fields of a noun beside its table; of the file only the end is read.

    Raises
    ------
    RejectedError
        If the file cannot be read, is not Parquet or was not written by this version of nta.
    """
    try:
        context = decode(json.loads((pq.read_schema(path).metadata or {})[_KEY]))
        return dict(context["noun"])
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, error) from None


def fields_but(noun: Any, *left_out: str) -> dict[str, Any]:  # noqa: ANN401  # any dataclass
    """Return every field of a dataclass by its name, but for those left out."""
    names = (field.name for field in dataclasses.fields(noun) if field.name not in left_out)
    return {name: getattr(noun, name) for name in names}


def _is_row_array(value: object, n_rows: int) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 2 and len(value) == n_rows and value.size > 0


def _row_array(column: pa.ChunkedArray) -> NDArray[Any]:
    flat = np.concatenate([chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks])
    return flat.reshape(len(column), -1)


def _with_units(schema: pa.Schema) -> pa.Schema:
    units = (_COLUMN_UNITS.get(name, unit_of(name)) for name in schema.names)
    return pa.schema(
        [
            field.with_metadata({"unit": unit}) if unit else field.remove_metadata()
            for field, unit in zip(schema, units, strict=True)
        ]
    )


def _damaged(path: Path | BinaryIO | None, error: Exception) -> RejectedError:
    reason = " ".join(str(error).split())
    named = f"{path.name!r} in {str(path.parent)!r}" if isinstance(path, Path) else "a stored table"
    return RejectedError(
        f"{named} is damaged ({reason}); run nta analyze again",
        code="unreadable",
    )


def encode(value: Any) -> Any:  # noqa: ANN401  # the point is to take anything a noun holds
    """Return ``value`` as strict JSON: dataclasses, tables and non-finite numbers are tagged by type."""
    if isinstance(value, pd.DataFrame):
        return {"type": "DataFrame", "index": encode(value.index.tolist()), "columns": _encode_columns(value)}
    if type(value) in _TYPES.values():
        return {"type": type(value).__name__, "fields": encode(fields_but(value))}
    if isinstance(value, dict):
        return {"type": "dict", "items": {str(key): encode(item) for key, item in value.items()}}
    if isinstance(value, np.ndarray):
        items = encode(value.ravel().tolist())
        return {"type": "ndarray", "dtype": str(value.dtype), "shape": list(value.shape), "items": items}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"type": "float", "value": repr(value)}
    return value


def _encode_columns(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            "name": str(name),
            "dtype": str(column.dtype),
            "items": [v if is_number(v) else None for v in column.tolist()],
        }
        for name, column in table.items()
    ]


def decode(value: Any) -> Any:  # noqa: ANN401  # the inverse of encode
    """Return what :func:`encode` was given; lists come back as tuples, as frozen nouns hold them."""
    if isinstance(value, list):
        return tuple(decode(item) for item in value)
    if not isinstance(value, dict):
        return value
    kind = value["type"]
    if kind == "dict":
        return {key: decode(item) for key, item in value["items"].items()}
    if kind == "DataFrame":
        columns = {c["name"]: pd.Series(c["items"], dtype=c["dtype"]) for c in value["columns"]}
        table = pd.DataFrame(columns)
        return table.set_axis(list(value["index"]), axis=0) if len(table) else table
    if kind == "ndarray":
        return np.array(decode(value["items"]), dtype=value["dtype"]).reshape(value["shape"])
    if kind == "float":
        return float(value["value"])
    return _TYPES[kind](**decode(value["fields"]))
