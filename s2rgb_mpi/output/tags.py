"""The metadata items of the file: what it was made from, and how."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING

from s2rgb_mpi import __version__
from s2rgb_mpi.inputs.warp.web_tiles import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s2rgb_mpi.inputs.product import Product
    from s2rgb_mpi.plan.plan import Plan

# Names of ESA's products and of the items of catalogues; those of band files in SAFE products.
_SENTINEL_2 = re.compile(r"S2[A-D]_|(L2A_)?T\d{2}[C-X][A-Z]{2}_\d{8}T\d{6}_")
_DAY = re.compile(r"(?<!\d)(?P<year>20\d{2})[01]\d[0-3]\d(?!\d)")
_TIME = re.compile(r"(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})")


def tags(plan: Plan) -> dict[str, str]:
    """Return the metadata items of the file: what it was made from, and how.

    Nothing of the run is in them (no date, no host), so that the same job gives the same bytes.

    Returns
    -------
    dict of str to str
        ``TIFFTAG_*`` become TIFF's own tags (TIFF 6.0, section 8), the others items of GDAL.
    """
    curve = plan.job.stretch
    products = [member.product for member in plan.scene.members]
    items = {
        "TIFFTAG_SOFTWARE": f"s2rgb_mpi {__version__}",
        "TIFFTAG_IMAGEDESCRIPTION": _description(products),
        "TIFFTAG_DATETIME": next(filter(None, map(_datetime, products)), ""),
        "TIFFTAG_COPYRIGHT": _copyright(products),
        "S2RGB_PRESET": curve.preset,
    }
    for name, value in asdict(curve).items():  # black, white and gamma, where they mean something
        items[f"S2RGB_{name.upper()}"] = f"{value:g}"
    for number, product in enumerate(products, start=1):
        items |= _of(product, f"_{number}" if len(products) > 1 else "")
    return {name: value for name, value in items.items() if value}


def tiling_scheme(plan: Plan) -> dict[str, str]:
    """Return the items of GDAL's domain TILING_SCHEME; empty for an image not on such tiles."""
    tiling = plan.tiling
    if tiling is None:
        return {}
    aligned = 1 + tiling.levels  # that of full resolution too
    return {"NAME": NAME, "ZOOM_LEVEL": str(tiling.zoom), "ALIGNED_LEVELS": str(aligned)}


def _of(product: Product, end: str) -> dict[str, str]:
    """Return what is kept of a product; the names end with its number in a mosaic."""
    items = {
        f"S2RGB_PRODUCT{end}": product.name,
        f"S2RGB_SENSING_TIME{end}": product.sensing_time,
        f"S2RGB_PROCESSING_BASELINE{end}": product.baseline,
    }
    for band in product.bands:
        place = f"{band.name}{end}"
        items[f"S2RGB_OFFSET_{place}"] = str(band.calibration.offset)
        items[f"S2RGB_QUANTIFICATION_{place}"] = f"{band.calibration.quantification:g}"
    return items


def _description(products: Sequence[Product]) -> str:
    """Describe the image in one line."""
    more = f" and {len(products) - 1} more" if len(products) > 1 else ""
    return f"True colour (B04, B03, B02) of {products[0].name}{more}"


def _datetime(product: Product) -> str:
    """Return the sensing time as TIFF has it; empty where it is unknown."""
    found = _TIME.match(product.sensing_time)
    return "{}:{}:{} {}:{}:{}".format(*found.groups()) if found else ""


def _copyright(products: Sequence[Product]) -> str:
    """Return the notice that the licence of Copernicus data requires; empty for other data.

    Notes
    -----
    Legal notice on the use of Copernicus Sentinel Data and Service Information, section "adapted
    or modified".
    """
    if not any(map(_is_sentinel_2, products)):
        return ""
    years = ", ".join(sorted(set(_years(products))))
    return f"contains modified Copernicus Sentinel data {years}".rstrip()


def _is_sentinel_2(product: Product) -> bool:
    """Return whether a product is known to come from Sentinel-2."""
    return product.is_sentinel_2 or bool(_SENTINEL_2.match(product.name))


def _years(products: Sequence[Product]) -> Iterator[str]:
    """Yield the year of sensing of each Sentinel-2 product, where it is known."""
    for product in filter(_is_sentinel_2, products):
        day = _DAY.search(product.name)
        if _TIME.match(product.sensing_time):
            yield product.sensing_time[:4]
        elif day:
            yield day["year"]
