"""Finalise a file: the directories, then every tile in its place."""

from __future__ import annotations

import itertools
import os
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from s2rgb_mpi.errors import named
from s2rgb_mpi.image.statistics import statistics
from s2rgb_mpi.output.geotiff.copying import Copies
from s2rgb_mpi.output.geotiff.log import Layer, TileLog
from s2rgb_mpi.output.geotiff.skeleton import fill, ghost_area, make_skeleton

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.image.profile import Profile

CLASSIC_LIMIT = 2**32
"""Bytes that the 32-bit offsets of a classic TIFF can reach; longer files are BigTIFF."""

UNCOMPRESSED_LIMIT = 4_200_000_000
"""Bytes of pixels beyond which GDAL makes no classic TIFF without a codec, sparse or not."""


def finalise(
    log: TileLog,
    path: Path,
    *,
    grid: Grid,
    profile: Profile,
    tags: Mapping[str, str],
    tiling: Mapping[str, str] = MappingProxyType({}),
    histogram: NDArray[np.int64],
    copy: Callable[[Copies], None] = Copies.run,
) -> int:
    """Write the GeoTIFF: directories first, then every tile in its place.

    Parameters
    ----------
    log : TileLog
        Whole: a tile that is not there is sparse, and reads as "no data".
    path : Path
        Must exist, and be empty. The caller renames it once it is whole.
    grid, profile
        As for the log.
    tags : mapping of str to str
        Metadata items of the file.
    tiling : mapping of str to str
        Those of GDAL's domain TILING_SCHEME.
    histogram : ndarray, shape (3, 256), int64
        Valid pixels per value and band; the statistics are computed from it.
    copy : callable, optional
        Has the tiles copied; that they are on the disk is waited for here.

    Returns
    -------
    int
        Size of the file, bytes.
    """
    order = list(_file_order(log.index))
    noted = np.array([log.index[layer][row, col] for layer, row, col in order], dtype=np.uint64)
    offsets, sizes, crcs = noted.reshape(-1, 3).T
    framed = profile.layout == "cog"
    frame = np.uint64(4 if framed else 0)
    ghost = ghost_area(profile) if framed else b""
    raw = grid.width * grid.height * profile.bands
    wide = profile.compress == "none" and raw > UNCOMPRESSED_LIMIT
    for bigtiff in (True,) if wide else (False, True):
        skeleton = make_skeleton(
            grid,
            profile,
            levels=max(layer.level for layer in log.index),
            tags=tags,
            tiling=tiling,
            statistics=_statistics(histogram, grid.width * grid.height),
            bigtiff=bigtiff,
        )
        ends = len(ghost + skeleton) + np.cumsum(sizes + 2 * frame, dtype=np.uint64)
        nbytes = int(ends[-1]) if order else len(ghost + skeleton)
        if nbytes < CLASSIC_LIMIT:
            break
    begins = ends - frame - sizes
    places = {layer: np.zeros_like(tiles[..., :2]) for layer, tiles in log.index.items()}
    for (layer, row, col), begin, size in zip(order, begins, sizes, strict=True):
        places[layer][row, col] = begin, size
    with named(path), path.open("r+b") as file:
        file.write(fill(skeleton, ghost, places))
        file.flush()
        copy(Copies(log.path, path, framed, np.stack([offsets, begins, sizes, crcs], axis=1)))
        os.fsync(file.fileno())
    return nbytes


def _file_order(
    index: Mapping[Layer, NDArray[np.uint64]],
) -> Iterator[tuple[Layer, int, int]]:
    """List the tiles that are there, smallest overview first, each mask tile after its image."""
    masks = sorted({layer.mask for layer in index})
    for level in sorted({layer.level for layer in index}, reverse=True):
        rows, cols = index[Layer(level, mask=False)].shape[:2]
        for row, col, mask in itertools.product(range(rows), range(cols), masks):
            if index[Layer(level, mask)][row, col, 1]:
                yield Layer(level, mask), row, col


def _statistics(histogram: NDArray[np.int64], pixels: int) -> list[dict[str, str]]:
    """Return GDAL's STATISTICS items of each band, exact, over its valid pixels."""
    items = []
    for counts in histogram:
        found = statistics(counts, pixels)
        if found is None:
            items.append({"STATISTICS_VALID_PERCENT": "0"})
            continue
        items.append(
            {
                "STATISTICS_MINIMUM": str(found.minimum),
                "STATISTICS_MAXIMUM": str(found.maximum),
                "STATISTICS_MEAN": f"{found.mean:.14g}",
                "STATISTICS_STDDEV": f"{found.stddev:.14g}",
                "STATISTICS_VALID_PERCENT": f"{found.valid_percent:.4g}",
            }
        )
    return items
