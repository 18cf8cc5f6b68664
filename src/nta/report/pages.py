"""What all pages share: where their templates lie, and how numbers and words are written in them."""

from __future__ import annotations

from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from nta.report import formatting as fmt


def template(name: str) -> Template:
    """Return the template of a page; an undefined name in it is an error, and everything is escaped."""
    return _environment().get_template(name)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("nta.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        fixed=fmt.fixed,
        count=fmt.count,
        general=fmt.general,
        words=fmt.words,
        scientific=fmt.scientific,
        scientific_interval=fmt.scientific_interval,
    )
    return environment
