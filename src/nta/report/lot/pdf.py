"""Document -> PDF, by reportlab: no browser, nothing of the system, the same bytes each time.

The letters are those of the figures (DejaVu Sans, which matplotlib brings along); what they lack is written as its
number in Unicode.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import matplotlib
from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4, LETTER
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Image, KeepTogether, PageBreak, Paragraph, SimpleDocTemplate, Spacer
from reportlab.platypus import Table as Grid

from nta.report.figures import drawable_line
from nta.report.lot import blocks
from nta.report.lot.charts import rendered

SIZES: Final = {"a4": A4, "letter": LETTER}
"""Paper by its name."""

_MARGIN: Final = 16 * mm
_INK: Final = colors.HexColor("#1b2430")
_SOFT: Final = colors.HexColor("#556170")
_ACCENT: Final = colors.HexColor("#14375e")
_HAIR: Final = colors.HexColor("#c9d1da")
_LEVEL_WORDS: Final = {"fail": "■ ", "warn": "▲ ", "info": "○ ", "ok": "✓ "}
_N_PAGES: Final = "nPages"
_NARROW_SPACE: Final = "\N{NARROW NO-BREAK SPACE}"


def pdf_of(document: blocks.Document, paper: str = "a4") -> bytes:
    """Return the PDF with numbered pages and the head of the audit chain at the foot of each.

    Parameters
    ----------
    document : Document
        What to write.
    paper : str
        A key of :data:`SIZES`.
    """
    _register_letters()
    buffer = io.BytesIO()
    template = SimpleDocTemplate(
        buffer, pagesize=SIZES[paper], leftMargin=_MARGIN, rightMargin=_MARGIN, topMargin=_MARGIN,
        bottomMargin=_MARGIN + 6 * mm, title=_drawable(document.title), author="nta", invariant=1,
    )  # fmt: skip
    write_foot = partial(_write_foot, foot=_drawable(document.foot), title=_drawable(document.title))
    template.build(story_of(document, template.width), onFirstPage=write_foot, onLaterPages=write_foot)
    return buffer.getvalue()


def story_of(document: blocks.Document, width: float) -> list[Flowable]:
    """Return what is laid out on the pages, one after the other; ``width`` in points."""
    _register_letters()
    story = _head(document)
    for section in document.sections:
        story += _section(section, width)
    return [*story, _PageCount()]


class _PageCount(Flowable):
    """The end of the story: on its page the number of pages is known, and every foot refers to it."""

    def wrap(self, _width: float, _height: float) -> tuple[float, float]:
        """Return its size: it takes no room."""
        return 0.0, 0.0

    def draw(self) -> None:
        """Draw the number of pages once, as a form."""
        self.canv.beginForm(_N_PAGES)
        self.canv.setFillColor(_SOFT)
        self.canv.setFont("nta", 8)
        self.canv.drawString(0, 0, f" / {self.canv.getPageNumber()}")
        self.canv.endForm()


def _write_foot(canvas: Canvas, template: SimpleDocTemplate, foot: str, title: str) -> None:
    right = template.pagesize[0] - _MARGIN
    canvas.saveState()
    canvas.setStrokeColor(_HAIR)
    canvas.line(_MARGIN, _MARGIN + 2 * mm, right, _MARGIN + 2 * mm)
    canvas.setFillColor(_SOFT)
    canvas.setFont("nta", 6.5)
    canvas.drawString(_MARGIN, _MARGIN - 1.5 * mm, title if len(title) <= 70 else title[:69] + "…")
    canvas.drawString(_MARGIN, _MARGIN - 4.5 * mm, foot)
    canvas.setFont("nta", 8)
    canvas.drawRightString(right - 8 * mm, _MARGIN - 2 * mm, str(canvas.getPageNumber()))
    canvas.translate(right - 8 * mm, _MARGIN - 2 * mm)
    canvas.doForm(_N_PAGES)
    canvas.restoreState()


@lru_cache(maxsize=1)
def _register_letters() -> None:
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    pdfmetrics.registerFont(TTFont("nta", str(folder / "DejaVuSans.ttf")))
    pdfmetrics.registerFont(TTFont("nta-bold", str(folder / "DejaVuSans-Bold.ttf")))
    pdfmetrics.registerFontFamily("nta", normal="nta", bold="nta-bold", italic="nta", boldItalic="nta-bold")


def _style(size: float, *, bold: bool = False, color: Any = _INK, right: bool = False) -> ParagraphStyle:  # noqa: ANN401
    name = f"{size}{bold}{color}{right}"
    style = ParagraphStyle(name, fontName="nta-bold" if bold else "nta", fontSize=size, leading=1.28 * size)
    style.textColor = color
    if right:
        style.alignment = TA_RIGHT
    return style


def _drawable(text: str) -> str:
    """Return text of which every character can be drawn; narrow spaces become ones at which no line is broken."""
    return drawable_line(text.replace(_NARROW_SPACE, "\N{NO-BREAK SPACE}"))


def _words(text: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(escape(_drawable(text)), style)


def _head(document: blocks.Document) -> list[Flowable]:
    size = 16 if len(document.title) <= 60 else 10
    sentence = (
        f"<b>{escape(_LEVEL_WORDS[document.level] + document.verdict)}</b>  {escape(_drawable(document.sentence))}"
    )
    return [
        _words(document.kind, _style(8, color=_SOFT)),
        _words(document.title, _style(size, bold=True)),
        Spacer(1, 2 * mm),
        Paragraph(sentence, _style(9.5)),
        Spacer(1, 2 * mm),
    ]


def _section(section: blocks.Section, width: float) -> list[Flowable]:
    story: list[Flowable] = [PageBreak()] if section.is_new_page else []
    parts = [_DRAWN[type(block)](block, width) for block in section.blocks]
    if section.heading:
        heading = [
            Spacer(1, 4 * mm),
            _words(section.heading, _style(11, bold=True, color=_ACCENT)),
            Spacer(1, 1.5 * mm),
        ]
        story += heading if section.is_new_page else [KeepTogether([*heading, *parts.pop(0)])]
    return [*story, *(flowable for part in parts for flowable in (*part, Spacer(1, 2.5 * mm)))]


def _text(block: blocks.Text, _width: float) -> list[Flowable]:
    return [_words(block.text, _style(8.5))]


def _notes(block: blocks.Notes, _width: float) -> list[Flowable]:
    style = _style(8)
    style.leftIndent, style.firstLineIndent, style.spaceAfter = 9.0, -9.0, 1.5
    return [
        Paragraph(
            f"{_LEVEL_WORDS[note.level]}<b>{escape(_drawable(note.head))}:</b> {escape(_drawable(note.text))}", style
        )
        for note in block.notes
    ]


def _pairs(block: blocks.Pairs, width: float) -> list[Flowable]:
    cells: list[list[Flowable]] = [
        [_words(key, _style(8, color=_SOFT)), _words(value, _style(8))] for key, value in block.pairs
    ]
    return [_grid(cells, (0.35 * width, 0.65 * width), heads=0)]


def _pictures(block: blocks.Pictures, width: float) -> list[Flowable]:
    share = min(width / len(block.pictures), 0.98 * width)
    images: list[Flowable] = []
    for picture in block.pictures:
        image = Image(io.BytesIO(rendered(picture.draw(), "png")))
        wanted = share if picture.is_wide else min(share, 92 * mm)
        image.drawHeight, image.drawWidth = wanted * image.imageHeight / image.imageWidth, wanted
        image.hAlign = "LEFT"
        images.append(image)
    if block.sentence:
        return [KeepTogether([_words(block.sentence, _style(8.5)), Spacer(1, 1.5 * mm), *images])]
    if len(images) == 1:
        return images
    grid = Grid([images], colWidths=[share] * len(images), hAlign="LEFT")
    grid.setStyle([("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), 0)])
    return [grid]


def _table(block: blocks.Table, width: float) -> list[Flowable]:
    size = 7.5 if len(block.columns) < 7 else 6.5
    total = sum(column.weight for column in block.columns)
    heads: list[Flowable] = [
        _words(one.heading, _style(size, color=_SOFT, right=one.is_number)) for one in block.columns
    ]
    rows: list[list[Flowable]] = [heads]
    for row in block.rows:
        bold = row[0] == "Sum"
        pairs = zip(row, block.columns, strict=True)
        rows.append([_words(cell, _style(size, bold=bold, right=column.is_number)) for cell, column in pairs])
    grid = _grid(rows, [width * column.weight / total for column in block.columns], heads=1)
    caption = [_words(block.caption, _style(7.5, color=_SOFT))] if block.caption else []
    return [*caption, grid]


def _grid(rows: Sequence[list[Flowable]], widths: Sequence[float], *, heads: int) -> Grid:
    grid = Grid(rows, colWidths=widths, repeatRows=heads, hAlign="LEFT", splitInRow=1)
    style: list[tuple[Any, ...]] = [
        ("LINEBELOW", (0, 0), (-1, -1), 0.3, _HAIR),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 1),
        ("RIGHTPADDING", (0, 0), (-1, -1), 4),
        ("TOPPADDING", (0, 0), (-1, -1), 1.6),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.6),
    ]
    grid.setStyle([*style, ("LINEBELOW", (0, 0), (-1, 0), 0.8, _SOFT)] if heads else style)
    return grid


def _signatures(block: blocks.Signatures, width: float) -> list[Flowable]:
    cells = [[_words(f"{role}: name, date, signature", _style(7.5)) for role in block.roles]]
    grid = Grid(cells, colWidths=[width / len(block.roles)] * len(block.roles), hAlign="LEFT")
    grid.setStyle([("LINEABOVE", (place, 0), (place, 0), 0.7, _INK) for place in range(len(block.roles))])
    return [Spacer(1, 16 * mm), grid]


_DRAWN: Final[dict[type, Callable[[Any, float], list[Flowable]]]] = {
    blocks.Text: _text,
    blocks.Notes: _notes,
    blocks.Pairs: _pairs,
    blocks.Pictures: _pictures,
    blocks.Table: _table,
    blocks.Signatures: _signatures,
}
