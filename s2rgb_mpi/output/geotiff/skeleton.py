"""The directories of the file: made by GDAL, moved and filled in here."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

from osgeo import gdal, osr

from s2rgb_mpi.gdalenv import contents, memory_file, settings
from s2rgb_mpi.output.geotiff.log import Layer

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.image.profile import Profile


_DTYPES = {3: "<u2", 4: "<u4", 16: "<u8"}
"""TIFF's SHORT, LONG and LONG8. Sizes are SHORT where libtiff knows that no tile can be large."""

BAND_DESCRIPTIONS = ("B04 red", "B03 green", "B02 blue")
"""Names of the image's bands, which readers show in place of numbers."""

_MASK = 4
"""The bit of NewSubfileType that marks a transparency mask (TIFF 6.0)."""


def make_skeleton(
    grid: Grid,
    profile: Profile,
    *,
    levels: int,
    tags: Mapping[str, str],
    tiling: Mapping[str, str],
    statistics: list[dict[str, str]],
    bigtiff: bool,
) -> bytes:
    """Return a file of directories alone, made by GDAL: all tags and geo keys, no tile.

    Parameters
    ----------
    grid, profile
        As for the log.
    levels : int
        Number of reduced levels.
    tags, tiling : mapping of str to str
        Metadata items of the file, and those of GDAL's domain TILING_SCHEME.
    statistics : list of dict of str to str
        Metadata items of each band.
    bigtiff : bool
        Whether it is a BigTIFF.

    Returns
    -------
    bytes
        Header and directories of the image, its mask and all levels; every tile offset is 0.
    """
    options = profile.image_options() | {
        "BIGTIFF": "YES" if bigtiff else "NO",
        "SPARSE_OK": "TRUE",
    }
    how = profile.overview_options() | {"GDAL_TIFF_INTERNAL_MASK": "YES"}
    with settings(how), memory_file(".tif") as name:
        dataset = gdal.GetDriverByName("GTiff").Create(
            name,
            grid.width,
            grid.height,
            profile.bands,
            gdal.GDT_Byte,
            [f"{option}={value}" for option, value in options.items()],
        )
        dataset.SetSpatialRef(osr.SpatialReference(grid.crs))
        dataset.SetGeoTransform(grid.transform)
        dataset.SetMetadata(dict(tags))
        if tiling:
            dataset.SetMetadata(dict(tiling), "TILING_SCHEME")
        for number, items in enumerate(statistics, start=1):
            band = dataset.GetRasterBand(number)
            band.SetDescription(BAND_DESCRIPTIONS[number - 1])
            for item, value in items.items():
                band.SetMetadataItem(item, value)
            if profile.mask == "nodata":
                band.SetNoDataValue(0)
        if profile.mask == "alpha":
            dataset.GetRasterBand(4).SetDescription("alpha")
        if profile.mask == "internal":
            dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
        if levels:
            dataset.BuildOverviews("NONE", [2**level for level in range(1, levels + 1)])
        dataset = band = None  # GDAL writes the directories when the last reference goes
        return contents(name)


def ghost_area(profile: Profile) -> bytes:
    """Return the area behind the header in which GDAL's COG driver states how tiles lie."""
    items = (
        "LAYOUT=IFDS_BEFORE_DATA\n"
        "BLOCK_ORDER=ROW_MAJOR\n"
        "BLOCK_LEADER=SIZE_AS_UINT4\n"
        "BLOCK_TRAILER=LAST_4_BYTES_REPEATED\n"
        "KNOWN_INCOMPATIBLE_EDITION=NO\n "
    )
    if profile.mask == "internal":
        items += "MASK_INTERLEAVED_WITH_IMAGERY=YES\n"
    text = f"GDAL_STRUCTURAL_METADATA_SIZE={len(items):06} bytes\n{items}".encode("ascii")
    return text + b"\0" * (len(text) % 2)  # TIFF 6.0: a directory begins on a word boundary


def fill(skeleton: bytes, ghost: bytes, places: Mapping[Layer, NDArray[np.uint64]]) -> bytes:
    """Put the ghost area behind the header, and the tiles' places into the directories.

    Everything behind the header moves by the size of the ghost area, so every offset that the
    directories hold moves with it.

    Parameters
    ----------
    skeleton : bytes
        From :func:`make_skeleton`.
    ghost : bytes
        From :func:`ghost_area`, or nothing.
    places : mapping of Layer to ndarray, shape (rows, cols, 2), uint64
        Offset in the file and size of every tile, bytes; both 0 where it is sparse.

    Returns
    -------
    bytes
        The head of the file, up to its first tile.
    """
    from tifffile import TiffFile, TiffPage  # noqa: PLC0415  0.2 s, and only the writer needs it

    head = bytearray(skeleton)
    with TiffFile(io.BytesIO(skeleton)) as tif:
        pages = [page for page in tif.pages if isinstance(page, TiffPage)]
        wide = tif.is_bigtiff
    header, count, entry, pointer = (16, 8, 20, "<Q") if wide else (8, 2, 12, "<I")
    value = entry - struct.calcsize(pointer)  # where in its entry a tag has its value, or offset
    links = [header - struct.calcsize(pointer)]
    for page in pages:
        for tag in page.tags:
            if tag.valueoffset != tag.offset + value:
                _move(head, tag.offset + value, pointer, len(ghost))
        links.append(page.offset + count + entry * len(page.tags))
    for link in links[:-1]:
        _move(head, link, pointer, len(ghost))
    # In the order of the directories: an image or a mask is followed by its smaller ones.
    for mask in (False, True):
        layers = [page for page in pages if bool(page.subfiletype & _MASK) is mask]
        for level, page in enumerate(layers):
            offsets, sizes = places[Layer(level, mask)].reshape(-1, 2).T
            for tag, numbers in ((page.tags[324], offsets), (page.tags[325], sizes)):
                raw = numbers.astype(_DTYPES[int(tag.dtype)]).tobytes()
                head[tag.valueoffset : tag.valueoffset + len(raw)] = raw
    head[header:header] = ghost
    return bytes(head)


def _move(head: bytearray, place: int, pointer: str, by: int) -> None:
    """Add ``by`` to the offset that stands at ``place``."""
    struct.pack_into(pointer, head, place, struct.unpack_from(pointer, head, place)[0] + by)
