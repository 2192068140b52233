"""A product of a plan as plain values, and as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from s2rgb_mpi.inputs.product import GDAL_RESAMPLINGS
from s2rgb_mpi.inputs.source_size import unit
from s2rgb_mpi.redact import shown

if TYPE_CHECKING:
    from s2rgb_mpi.inputs.product import Operation, Product, Warp


@dataclass(frozen=True)
class BandDescription:
    """A band of a product.

    Parameters
    ----------
    name : str
        Such as B04.
    path : str
        The file, without secrets.
    offset : int
        DN, added to the stored values first.
    quantification : float
        DN per unit of reflectance.
    nodata : tuple of float
        Stored values that mean "no data"; values that are not finite always do.
    masks : tuple of str
        Masks and alpha bands that mark "no data".
    """

    name: str
    path: str
    offset: int
    quantification: float
    nodata: tuple[float, ...]
    masks: tuple[str, ...]


@dataclass(frozen=True)
class Resampled:
    """How a product is resampled.

    Parameters
    ----------
    resampling : str
        nearest, bilinear or cubic.
    scale : tuple of float
        gdalwarp's XSCALE and YSCALE.
    operation : Operation, optional
        Between the two CRS; None where they are the same.
    """

    resampling: str
    scale: tuple[float, float]
    operation: Operation | None


@dataclass(frozen=True)
class ProductDescription:
    """A product, as its metadata and the user describe it.

    Parameters
    ----------
    name : str
        ESA's identifier, or a file's name.
    block : tuple of int
        ``(width, height)`` of the blocks that its files are stored in, pixels.
    offset_source : str
        The source of the offsets.
    pixel : float
        Edge of a pixel of its files.
    unit : str
        Unit of `pixel`: m, degrees, or another unit of its CRS; empty without a CRS.
    factor : int
        The product is read as means of ``factor`` x ``factor`` of these pixels; 1: as it is.
    resampled : Resampled, optional
        None where its pixels are not resampled.
    bands : tuple of BandDescription
        Red, green, blue.
    classification : str, optional
        The file of its scene classification, without secrets; None unless clouds matter.
    cloud_cover : float, optional
        Clouds by its metadata, percent; None where these do not state them.
    clear_share : float, optional
        Share of clear pixels among its valid ones in the image, 0 to 1; None unless products are
        ordered by it.
    """

    name: str
    block: tuple[int, int]
    offset_source: str
    pixel: float
    unit: str
    factor: int
    resampled: Resampled | None
    bands: tuple[BandDescription, ...]
    classification: str | None
    cloud_cover: float | None
    clear_share: float | None


def describe_product(product: Product) -> ProductDescription:
    """Describe a product, without its grid."""
    return ProductDescription(
        name=product.name,
        block=product.files[1],
        offset_source=product.offset_source,
        pixel=abs(product.files[0].transform[1]),
        unit=unit(product.files[0].crs),
        factor=product.factor,
        resampled=None if product.warp is None else _resampled(product.warp),
        bands=tuple(
            BandDescription(
                name=band.name,
                path=shown(band.path),
                offset=band.calibration.offset,
                quantification=band.calibration.quantification,
                nodata=band.stored.nodata,
                masks=band.stored.masks,
            )
            for band in product.bands
        ),
        classification=None
        if product.classification is None
        else shown(product.classification.path),
        cloud_cover=product.cloud_cover,
        clear_share=product.clear_share,
    )


def _resampled(warp: Warp) -> Resampled:
    return Resampled(warp.resampling, warp.scale, warp.operation)


def product_text(product: ProductDescription, place: tuple[int, int]) -> str:
    """Format a product, its place and its bands, one subject a line.

    Parameters
    ----------
    product : ProductDescription
        The product.
    place : tuple of int
        Column and row of the image that it begins at.
    """
    width, height = product.block
    col_off, row_off = place
    means = f", means of {product.factor} x {product.factor} pixels" if product.factor > 1 else ""
    lines = [
        f"  {product.name} at column {col_off}, row {row_off}, blocks of {width} x {height}",
        f"    files of {product.pixel:.10g} {product.unit or 'units'}{means}",
        f"    offset stated by {product.offset_source}",
    ]
    lines += [
        f"    {band.name} {band.path}, offset {band.offset},"
        f" quantification {band.quantification:g}, no data"
        f" {', '.join(map(str, (*band.nodata, *band.masks))) or 'what is not finite'}"
        for band in product.bands
    ]
    lines += _clouds_text(product)
    if product.resampled is not None:
        lines += _resampled_text(product.resampled)
    return "\n".join(lines)


def _clouds_text(product: ProductDescription) -> list[str]:
    """Format what is known of a product's clouds, if they matter."""
    if product.classification is None:
        return []
    lines = [f"    SCL {product.classification}"]
    if product.clear_share is not None:
        lines.append(f"    clear: {product.clear_share:.2%} of its valid pixels in the image")
    return lines


def _resampled_text(resampled: Resampled) -> list[str]:
    """Format how a product is resampled, as options of gdalwarp."""
    x, y = resampled.scale
    method = GDAL_RESAMPLINGS[resampled.resampling]
    lines = [f"    resampled: -r {method} -wo XSCALE={x:.17g} -wo YSCALE={y:.17g}"]
    if resampled.operation is not None:
        lines += [f"    by {resampled.operation}:", f"    -ct '{resampled.operation.definition}'"]
    return lines
