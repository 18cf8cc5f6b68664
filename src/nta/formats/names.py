"""What people write into the names of their files because the instrument has no place for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from nta.quality import Flag, flag

# "d200", "dil 1000", "1:500", "1 to 500", "200x": the forms that real names hold. A bare "d" with less than 10 is
# a day more often than a dilution.
_FORMS: Final = (
    re.compile(r"(?<![a-z0-9])dil(?:ution|uted)?[ _.-]*(?:1[:/])?(\d{1,9})(k?)(?![a-z0-9])", re.IGNORECASE),
    re.compile(r"(?<![a-z0-9])d[ _-]?(\d{2,9})(k?)(?![a-z0-9])", re.IGNORECASE),
    re.compile(r"(?<![a-z0-9])1(?::|[ _-]?to[ _-]?|in)(\d{1,9})(k?)(?![a-z0-9])", re.IGNORECASE),
    re.compile(r"(?<![a-z0-9])(\d{2,9})(k?)x(?![a-z0-9])", re.IGNORECASE),
)


def dilution_in(name: str) -> float | None:
    """Return the dilution that a name may state, ``None`` where it states none or several."""
    found = {
        float(match[1]) * (1000.0 if match[2] else 1.0) for form in _FORMS for match in form.finditer(name) if match[1]
    }
    found = {value for value in found if value > 1.0}
    return found.pop() if len(found) == 1 else None


def proposed_dilution(names: Iterable[str]) -> tuple[str, float] | None:
    """Return the first name that may state a dilution, with it; ``None`` where names state different ones."""
    found = [(name, dilution) for name in names if (dilution := dilution_in(name)) is not None]
    return found[0] if len({dilution for _, dilution in found}) == 1 else None


def dilution_flag(name: str, dilution: float) -> Flag:
    """Return the flag of a dilution that only a name states."""
    return flag(
        "dilution_in_name",
        f"no dilution is recorded, and the name {name!r} may state {dilution:g}: it is not used; if it is right, give "
        f"--dilution {dilution:g} for the concentration of the stock",
    )
