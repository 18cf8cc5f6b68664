"""Document -> one self-contained page: no script, nothing fetched, everything escaped."""

from __future__ import annotations

import base64

from nta.report import pages
from nta.report.lot.blocks import Document, Picture
from nta.report.lot.charts import rendered


def html_of(document: Document) -> str:
    """Return the page."""
    return pages.template("lot.html.j2").render(document=document, image=_image)


def _image(picture: Picture) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(rendered(picture.draw(), "svg")).decode("ascii")
