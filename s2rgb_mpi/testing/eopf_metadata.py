"""The attributes of EOPF stores: of bands, of groups and of the root, and the coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from osgeo import osr

from s2rgb_mpi.testing.product import EPSG, ORBIT, ORIGINS, RESOLUTIONS, Product, iso
from s2rgb_mpi.testing.scl_metadata import cloud_cover

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CRS_CODE = {"proj:code": f"EPSG:{EPSG}"}

COARSEST = RESOLUTIONS[-1]
"""Pixel size of the coarsest images of ESA, metres: levels above are made of them."""


def dn_attributes(product: Product, resolution: int, band: str, zarr_format: int) -> dict[str, Any]:
    """Return the attributes of a band of DN."""
    attributes: dict[str, Any] = {
        "long_name": f"BOA reflectance from MSI acquisition at spectral band {band.lower()}",
        "units": "digital_counts",
        "scale_factor": 1 / product.quantification,
        "add_offset": (product.offset or 0) / product.quantification,
        "valid_min": 1,
        "valid_max": 65535,
        "fill_value": 0,
    }
    if zarr_format == 3:  # noqa: PLR2004  the version's number
        return attributes
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(EPSG)
    return {
        **attributes,
        "proj:epsg": EPSG,
        "proj:wkt2": crs.ExportToWkt(["FORMAT=WKT2_2019"]),
        **place_of_band(product, resolution),
        "_FillValue": 0,
        "dtype": "<u2",
    }


def place_of_band(product: Product, resolution: int) -> dict[str, Any]:
    """Return what a band states of its place: above 60 m that of 60 m, as the converter copies."""
    resolution = min(resolution, COARSEST)
    width, height = product.size(resolution)
    return {
        "proj:transform": [*_transform(product, resolution), 0, 0, 1],
        "proj:shape": [height, width],
    }


def place_of_group(product: Product, resolution: int, shape: Sequence[int]) -> dict[str, Any]:
    """Return what a group of GeoZarr states of the place of its bands."""
    return {
        **CRS_CODE,
        "spatial:transform": _transform(product, resolution),
        "spatial:shape": list(shape),
    }


def multiscales(resolutions: Sequence[int]) -> dict[str, Any]:
    """Return what GeoZarr states of the groups of all resolutions."""
    layout = [{"asset": f"r{resolution}m"} for resolution in resolutions]
    return {**CRS_CODE, "multiscales": {"layout": layout, "resampling_method": "average"}}


def discovery(product: Product, zarr_format: int, shares: list[float] | None) -> dict[str, Any]:
    """Return the properties of the STAC item at the root; `shares` are those of the classes."""
    properties: dict[str, Any] = {
        "datetime": iso(product.sensed),
        "platform": "sentinel-2a",
        "constellation": "sentinel-2",
        "processing:level": "L2A",
        **({"eo:cloud_cover": cloud_cover(shares)} if shares else {}),
        # The converters state that of 60 m, whatever there is.
        "proj:transform": [*_transform(product, COARSEST), 0, 0, 1],
    }
    if zarr_format == 3:  # noqa: PLR2004  the version's number
        return properties | {
            **CRS_CODE,
            "eopf:datatake_id": f"GS2A_{product.sensed}_{ORBIT[1:]}_N{product.baseline}",
            "processing:version": "1.0.0",
        }
    return properties | {"eopf:baseline": product.baseline, "proj:epsg": EPSG}


def coordinates(
    product: Product, resolution: int, shape: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the centres of columns and rows of an image of so many rows and columns, metres."""
    easting, northing = ORIGINS[product.granule]
    height, width = shape
    x = easting + resolution // 2 + resolution * np.arange(width)
    y = northing - resolution // 2 - resolution * np.arange(height)
    return x, y


def _transform(product: Product, resolution: int) -> list[int]:
    """Return where the pixels of a resolution lie, as STAC's projection extension has it."""
    easting, northing = ORIGINS[product.granule]
    return [resolution, 0, easting, 0, -resolution, northing]
