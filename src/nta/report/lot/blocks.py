"""What a document is built of, the same for the page and for the PDF: texts, tables, figures, in sections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Level = Literal["fail", "warn", "info", "ok"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its heading, whether numbers stand in it, and its share of the width on paper."""

    heading: str
    is_number: bool = False
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under headings."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence with what it is about, marked by how grave it is."""

    level: Level
    head: str
    text: str


@dataclass(frozen=True, slots=True)
class Notes:
    """Several sentences below each other."""

    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Names with their values."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure, drawn when it is needed, and the same in words; on paper a wide one takes all of the width."""

    draw: Callable[[], Figure]
    words: str
    is_wide: bool = False


@dataclass(frozen=True, slots=True)
class Pictures:
    """Figures beside each other, below a sentence that stays on their page."""

    pictures: tuple[Picture, ...]
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Signatures:
    """Lines to sign on."""

    roles: tuple[str, ...]


Block = Table | Notes | Pairs | Text | Pictures | Signatures


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands below it; on paper a new page begins where ``is_new_page`` says so."""

    heading: str
    blocks: tuple[Block, ...]
    is_new_page: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A report: its title, the verdict in a word and a sentence, its sections, and what stands at the foot of a page.

    Parameters
    ----------
    title, kind : str
        What it is about, and what it is.
    level : {"ok", "warn", "fail", "info"}
        Of the verdict.
    verdict, sentence : str
        In a word, and with the number.
    sections : tuple of Section
        The first has no heading of its own.
    foot : str
        The head of the audit chain.
    """

    title: str
    kind: str
    level: Level
    verdict: str
    sentence: str
    sections: tuple[Section, ...]
    foot: str
