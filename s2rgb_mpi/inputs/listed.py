"""Bands as metadata or the user list them, before their files have been looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from s2rgb_mpi.inputs.calibration import Stated
from s2rgb_mpi.inputs.stac.georeference import Georeference

if TYPE_CHECKING:
    from s2rgb_mpi.inputs.safe_grid import Placed
    from s2rgb_mpi.inputs.zarr.products import ArrayBand


@dataclass(frozen=True)
class Listed:
    """A band as metadata or the user list it, before its file has been looked at.

    Parameters
    ----------
    name : str
        ESA's name, such as B04.
    path : str
        The file, under a name that GDAL opens.
    number : int, optional
        Of the band in the file; None for the only one.
    metadata : Stated
        What SAFE or STAC metadata state of its values.
    nodata : float, optional
        The stored value that means "no data", as metadata state it.
    count : int
        How many bands the file should have; 0 where that does not matter.
    georeference : Georeference
        Where the file lies, if it does not say it itself.
    internal : bool
        Whether the metadata of a product decide, and neither tags, mask and alpha band of the file
        nor what lies beside it (``.aux.xml``, world files).
    placed : Placed, optional
        Where the product's metadata place the file; without it the file says.
    array : ArrayBand, optional
        An array of a Zarr store, in place of a file that GDAL opens.
    """

    name: str
    path: str
    number: int | None = None
    metadata: Stated = field(default_factory=Stated)
    nodata: float | None = None
    count: int = 0
    georeference: Georeference = field(default_factory=Georeference)
    internal: bool = False
    placed: Placed | None = None
    array: ArrayBand | None = None
