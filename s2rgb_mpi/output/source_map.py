"""The map of sources: a second GeoTIFF that says which product each pixel of the image is from."""

from __future__ import annotations

import sys
import zlib
from contextlib import contextmanager
from traceback import clear_frames
from typing import TYPE_CHECKING

import numpy as np
from osgeo import gdal, osr

from s2rgb_mpi.errors import OutputError, named
from s2rgb_mpi.image.composite import source_nbytes
from s2rgb_mpi.inputs.opening import cause
from s2rgb_mpi.output.paths import map_paths, names_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from s2rgb_mpi.output.geotiff.log import TileLog
    from s2rgb_mpi.plan.plan import Plan

NO_SOURCE = "no data"
"""The category of pixels that are from no product."""


class SourceMap:
    """The map while blocks arrive: where the pixels of each window lie in the partial file.

    Parameters
    ----------
    plan : Plan
        The same on every rank; its job names the file.
    log : TileLog
        The partial file.
    """

    def __init__(self, plan: Plan, log: TileLog) -> None:
        self._plan = plan
        self._log = log
        self._places: dict[int, tuple[int, int, int]] = {}

    def note(self, window: int, offset: int, nbytes: int, crc32: int) -> None:
        """Remember where the piece of a window lies."""
        self._places[window] = offset, nbytes, crc32

    def write(self, path: Path, pixels: Sequence[int], attend: Callable[[], None]) -> None:
        """Write the map, a Cloud Optimized GeoTIFF, and give it its name.

        Values are numbers of products, from 1, in the order used, and 0 for "no data"; with the
        products' names as categories and in an attribute table beside it (``.aux.xml``), and in
        the metadata of the file.

        Parameters
        ----------
        path : Path
            Of the map; a file that is there is replaced.
        pixels : sequence of int
            The number of pixels from each product.
        attend : callable
            Called again and again, since large maps take minutes; what it raises ends the work.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        plain, final, names, own_names = map_paths(self._plan)
        raised: list[BaseException] = []

        def progress(*_: object) -> int:
            """Go on unless there was an error, which GDAL would swallow."""
            try:
                attend()
            except BaseException as error:  # noqa: BLE001  raised again below
                raised.append(error)
            return not raised

        try:
            with _once():
                self._write_plain(plain, attend)
                self._write_cog(plain, final, pixels, progress)
        except RuntimeError as error:
            if not raised:
                raise OutputError(f"{path}: {cause(error, str(path))}") from error
        if raised:
            raise raised[0]
        with named(path):
            plain.unlink()
            own_names.unlink(missing_ok=True)
            names.replace(names_path(path))
            final.replace(path)

    def _write_plain(self, path: Path, attend: Callable[[], None]) -> None:
        """Write the pixels of all windows into a tiled TIFF."""
        plan, grid = self._plan, self._plan.grid
        nbytes = source_nbytes(len(plan.scene.members))
        dataset = gdal.GetDriverByName("GTiff").Create(
            str(path),
            grid.width,
            grid.height,
            1,
            gdal.GDT_Byte if nbytes == 1 else gdal.GDT_UInt16,
            [
                "TILED=YES",
                f"BLOCKXSIZE={plan.job.profile.tile}",
                f"BLOCKYSIZE={plan.job.profile.tile}",
                "SPARSE_OK=TRUE",
                "COMPRESS=DEFLATE",
                "ZLEVEL=1",
            ],
        )
        dataset.SetSpatialRef(osr.SpatialReference(grid.crs))
        dataset.SetGeoTransform(grid.transform)
        dataset.GetRasterBand(1).SetNoDataValue(0)
        for number, place in self._places.items():
            attend()
            window = plan.windows[number]
            raw = zlib.decompress(self._log.read(*place))
            values = np.frombuffer(raw, f"<u{nbytes}").reshape(window.height, window.width)
            dataset.GetRasterBand(1).WriteArray(values, window.col_off, window.row_off)
        dataset.FlushCache()

    def _write_cog(
        self, plain: Path, final: Path, pixels: Sequence[int], progress: Callable[..., int]
    ) -> None:
        """Copy a tiled TIFF to a COG, with overviews by the most frequent value, and names."""
        names = [member.product.name for member in self._plan.scene.members]
        source = gdal.Open(str(plain), gdal.GA_Update)
        source.SetMetadata(_items(names))
        band = source.GetRasterBand(1)
        band.SetDescription("source product")
        band.SetCategoryNames([NO_SOURCE, *names])
        band.SetDefaultRAT(_table(names, pixels))
        copied = gdal.GetDriverByName("COG").CreateCopy(
            str(final),
            source,
            options=[
                f"BLOCKSIZE={self._plan.job.profile.tile}",
                "COMPRESS=DEFLATE",
                "OVERVIEW_RESAMPLING=MODE",
                "OVERVIEWS=IGNORE_EXISTING",
                "BIGTIFF=IF_SAFER",
            ],
            callback=progress,
        )
        if copied is not None:  # else `progress` has ended it
            copied.FlushCache()
        source = band = copied = None


@contextmanager
def _once() -> Iterator[None]:
    """Keep Python from printing GDAL's error once more, when it closes what could not be written.

    Python cannot raise what a destructor raises, so it prints it with a traceback.
    """
    before, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        yield
    except RuntimeError as error:
        clear_frames(error.__traceback__)  # closes the files that are still open
        raise
    finally:
        sys.unraisablehook = before


def _items(names: Sequence[str]) -> Mapping[str, str]:
    """Return the metadata items that name the products."""
    return {f"S2RGB_PRODUCT_{number}": name for number, name in enumerate(names, start=1)}


def _table(names: Sequence[str], pixels: Sequence[int]) -> gdal.RasterAttributeTable:
    """Return the attribute table: value, pixels and name of each product."""
    table = gdal.RasterAttributeTable()
    table.CreateColumn("Value", gdal.GFT_Integer, gdal.GFU_MinMax)
    table.CreateColumn("Count", gdal.GFT_Real, gdal.GFU_PixelCount)  # integers have 32 bits
    table.CreateColumn("Product", gdal.GFT_String, gdal.GFU_Name)
    table.SetRowCount(len(names))
    for row, (name, count) in enumerate(zip(names, pixels, strict=True)):
        table.SetValueAsInt(row, 0, row + 1)
        table.SetValueAsDouble(row, 1, float(count))
        table.SetValueAsString(row, 2, name)
    return table
