"""A commented manifest to start from."""

from __future__ import annotations

from nta.batch.columns import ALL, REQUIRED


def csv_template() -> str:
    """Return a manifest with every column explained, and two example rows as comments."""
    lines = [
        "# Manifest of nta batch. One row a video or a pattern of several; rows of the same sample are its captures.",
        "# Lines that begin with # are comments. Delete the columns that are not needed; only",
        f"# {', '.join(REQUIRED)} must be there. What is not known stays empty, never 0.",
        "#",
        *(f"# {column.name}: {column.help}" for column in ALL),
        "#",
        "# For example:",
        "# " + ",".join(column.example for column in ALL),
        ",".join(column.name for column in ALL),
    ]
    return "\n".join(lines) + "\n"
