"""The files of the scene classification of a SAFE product's granule, by the names of its images."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from s2rgb_mpi.inputs.classification import SCL, SCL_RESOLUTIONS
from s2rgb_mpi.inputs.listed import Listed
from s2rgb_mpi.inputs.product import RGB_BANDS
from s2rgb_mpi.inputs.safe_files import leaves

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s2rgb_mpi.inputs.files.locate import Found
    from s2rgb_mpi.inputs.safe_grid import Placed

_RED = re.compile(rf"(?P<folder>.*/)R\d0m/(?P<stem>[^/]*)_{RGB_BANDS[0]}_\d0m")
_OLD = "_MSI_L2A_TL_"
"""Part of the names until 2016, in which SCL takes the place of MSI, not of the band."""


def classifications(
    found: Found, images: Sequence[str], placed: dict[int, Placed]
) -> Iterator[Listed]:
    """List the scene classifications of a granule that are there, the one of 20 m first.

    Parameters
    ----------
    found : Found
        The place of the product's files.
    images : sequence of str
        Of the granule, as its metadata list them; not all metadata list the classification.
    placed : dict of int to Placed
        The grids of the granule, by resolution.
    """
    for resolution in SCL_RESOLUTIONS:
        names = (name for name in _names(images, resolution) if not leaves(name))
        files = (found.place.gdal_name(f"{name}.jp2") for name in names)
        file = next(filter(None, files), None)
        if file is not None:
            yield Listed(SCL, file, internal=True, placed=placed.get(resolution))


def _names(images: Sequence[str], resolution: int) -> list[str]:
    """Return the names that the classification may have: as listed, or like the red band."""
    size = f"{resolution}m"
    listed = re.compile(rf".*_{SCL}_(L2A_TL_.*_)?{size}")
    names = [image for image in images if listed.fullmatch(image)]
    for red in filter(None, map(_RED.fullmatch, images)):
        folder, stem = red["folder"], red["stem"]
        names.append(f"{folder}R{size}/{stem}_{SCL}_{size}")
        if _OLD in stem:
            old = f"{stem.replace(_OLD, _OLD.replace('MSI', SCL))}_{size}"
            names += [f"{folder}R{size}/{old}", f"{folder}{old}"]
    return list(dict.fromkeys(names))
