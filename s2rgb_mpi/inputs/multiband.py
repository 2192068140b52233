"""Multi-band rasters: finds their red, green and blue bands."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from osgeo import gdal

from s2rgb_mpi.errors import InputError
from s2rgb_mpi.inputs.bands import join
from s2rgb_mpi.inputs.classification import SCL
from s2rgb_mpi.inputs.classified import classified
from s2rgb_mpi.inputs.files.remote import gdal_name
from s2rgb_mpi.inputs.listed import Listed
from s2rgb_mpi.inputs.naming import names_band
from s2rgb_mpi.inputs.opening import open_raster
from s2rgb_mpi.inputs.product import RGB_BANDS, Choice, Product
from s2rgb_mpi.redact import file_name

if TYPE_CHECKING:
    from collections.abc import Callable


_COLOURS = {"B04": gdal.GCI_RedBand, "B03": gdal.GCI_GreenBand, "B02": gdal.GCI_BlueBand}

NOT_RECOGNIZED = "not recognized as "
"""What GDAL says of a file that none of its drivers opens, in all releases."""

PRODUCT = (
    "PRODUCT is a SAFE folder, its MTD_MSIL2A.xml, a zip or tar of it, an EOPF store (Zarr), a tile"
    " folder of the AWS buckets, a STAC item (JSON), or a raster with several bands"
)

MOST_LISTED = 20
"""The most bands or subdatasets of a file that an error lists."""


def open_multiband(name: str, choice: Choice | None = None) -> Product:
    """Return three bands of one raster as a product.

    Parameters
    ----------
    name : str
        Path, URL, or GDAL dataset name.
    choice : Choice, optional
        Its `bidx` selects the bands; without it their descriptions do, or else their colours.

    Returns
    -------
    Product

    Raises
    ------
    InputError
        It has no such bands, or they cannot be found; lists the bands.
    """
    choice = choice or Choice()
    # Older releases of GDAL do not report the offset there; some are built without this driver.
    own = InputError(f"{name}: give the SAFE folder, its zip or MTD_MSIL2A.xml by its own name")
    if name.startswith("SENTINEL2_"):
        raise own
    path = gdal_name(name)
    try:
        dataset = open_raster(path)
    except InputError as error:
        if NOT_RECOGNIZED not in str(error):
            raise
        raise InputError(f"{str(error).rstrip('.')}; {PRODUCT}") from error
    if dataset.GetDriver().ShortName == "SENTINEL2":
        raise own
    if dataset.RasterCount == 0:
        parts = [part for part, _ in dataset.GetSubDatasets()][:MOST_LISTED]
        raise InputError(f"{name}: no bands of its own; parts: {', '.join(parts) or 'none'}")
    numbers = choice.bidx or _find(dataset, _is_described) or _find(dataset, _is_coloured)
    if numbers is None:
        raise InputError(
            f"{name}: no band names or colours for red, green and blue; give --bidx R,G,B, or"
            f" --rgb for files of one band each; bands: {_list(dataset)}"
        )
    absent = [number for number in numbers if number > dataset.RasterCount]
    if absent:
        raise InputError(f"{name}: no band {absent[0]}; bands: {_list(dataset)}")
    listed = [Listed(band, path, number) for band, number in zip(RGB_BANDS, numbers, strict=True)]
    product = join(PurePosixPath(file_name(name)).stem, listed, choice)
    if not choice.clouds:
        return product
    found = [n for n in range(1, dataset.RasterCount + 1) if _is_classification(dataset, n)]
    return classified(
        product,
        [Listed(SCL, path, number) for number in found],
        choice,
        advice=f"no band is described as {SCL}; --rgb RED GREEN BLUE {SCL} takes files of one band",
    )


def _is_classification(dataset: gdal.Dataset, number: int) -> bool:
    """Return whether the description of a band names the scene classification."""
    return str(dataset.GetRasterBand(number).GetDescription()).strip().upper() == SCL


def _find(
    dataset: gdal.Dataset, is_band: Callable[[gdal.Band, str], bool]
) -> tuple[int, ...] | None:
    """Return the numbers of the three bands, or None unless there is exactly one of each."""
    numbers = range(1, dataset.RasterCount + 1)
    found = [
        [number for number in numbers if is_band(dataset.GetRasterBand(number), band)]
        for band in RGB_BANDS
    ]
    return tuple(one[0] for one in found) if all(len(one) == 1 for one in found) else None


def _is_described(raster: gdal.Band, band: str) -> bool:
    """Return whether the description of a raster band names a band."""
    return names_band(raster.GetDescription(), band)


def _is_coloured(raster: gdal.Band, band: str) -> bool:
    """Return whether the colour interpretation of a raster band is that of a band."""
    return bool(raster.GetColorInterpretation() == _COLOURS[band])


def _list(dataset: gdal.Dataset) -> str:
    """Format a list of the bands: number, and description or colour."""
    words = []
    for number in range(1, min(dataset.RasterCount, MOST_LISTED) + 1):
        raster = dataset.GetRasterBand(number)
        colour = gdal.GetColorInterpretationName(raster.GetColorInterpretation())
        words.append(f"{number} {raster.GetDescription() or colour}")
    if dataset.RasterCount > MOST_LISTED:
        words.append(f"... {dataset.RasterCount} in all")
    return ", ".join(words)
