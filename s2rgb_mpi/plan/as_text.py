"""The description of a plan as text (--dry-run)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s2rgb_mpi.inputs.product import GDAL_RESAMPLINGS

if TYPE_CHECKING:
    from s2rgb_mpi.plan.describe import Description, ProductDescription, Resampled


def as_text(description: Description) -> str:
    """Return a description as text, one subject a line."""
    grid, output = description.grid, description.output
    width, height = description.window
    products = (f"\n{_product_text(product, place)}" for product, place in description.inputs)
    lines = {
        "products": f"{len(description.inputs)}{''.join(products)}",
        "grid": f"{grid.width} x {grid.height} pixels of {grid.transform[1]:g} from"
        f" {grid.transform[0]:.10g}, {grid.transform[3]:.10g}",
        "windows": f"{description.windows} of {width} x {height} pixels",
        "shares": _shares(description),
        "levels": f"{description.levels} overviews",
        "tiles": str(description.tiling or ""),
        "memory": f"at most {description.worker_nbytes / 1e6:.0f} MB a worker,"
        f" {description.writer_nbytes / 1e6:.0f} MB the writer",
        "output": f"{output.path}, {output.layout}, {output.compress},"
        f" at most {output.largest_nbytes / 1e6:.0f} MB, twice that while it is finalised",
    }
    text = "\n".join(f"{name:8} {words}" for name, words in lines.items() if words)
    return text if description.advice is None else f"{text}\n{description.advice}"


def _shares(description: Description) -> str:
    (least, most), workers = description.windows_per_worker, description.workers
    windows = f"{'' if least == most else f'{least} to '}{most} window{'s' if most > 1 else ''}"
    return f"1 worker, {windows}" if workers == 1 else f"{workers} workers, {windows} each"


def _product_text(product: ProductDescription, place: tuple[int, int]) -> str:
    """Format a product: its name, place and bands."""
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
    if product.resampled is not None:
        lines += _resampled_text(product.resampled)
    return "\n".join(lines)


def _resampled_text(resampled: Resampled) -> list[str]:
    """Format how a product is resampled, as options of gdalwarp."""
    x, y = resampled.scale
    method = GDAL_RESAMPLINGS[resampled.resampling]
    lines = [f"    resampled: -r {method} -wo XSCALE={x:.17g} -wo YSCALE={y:.17g}"]
    if resampled.operation is not None:
        lines += [f"    by {resampled.operation}:", f"    -ct '{resampled.operation.definition}'"]
    return lines
