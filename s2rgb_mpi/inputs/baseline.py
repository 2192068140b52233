"""The processing baseline: the offset that follows from it, where no other source states one."""

from __future__ import annotations

import re

FIRST_BASELINE_WITH_OFFSET = (4, 0)
BASELINE_WITHOUT_OFFSET = (99, 99)
"""ESA's number for tests of reprocessing; its products have no offset list."""

BASELINE_OFFSET = -1000.0
"""BOA_ADD_OFFSET of all products so far that have one, DN."""


def has_offset(baseline: str) -> bool | None:
    """Return whether products of a baseline have an offset list; None if it is not a baseline.

    Parameters
    ----------
    baseline : str
        In ESA's form, such as ``05.09``.
    """
    match = re.fullmatch(r"(\d{2})\.(\d{2})", baseline.strip())
    if match is None:
        return None
    number = int(match[1]), int(match[2])
    return FIRST_BASELINE_WITH_OFFSET <= number != BASELINE_WITHOUT_OFFSET


def baseline_of(name: str) -> str:
    """Return the baseline in a product's or granule's name (N0509 or N05.09); empty without one."""
    match = re.search(r"_N(\d{2})\.?(\d{2})(?=_|\.|$)", name)
    return f"{match[1]}.{match[2]}" if match else ""
