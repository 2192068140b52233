"""Tiles of web maps: the zoom is GDAL's, every level is whole tiles, and padding has a limit."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from osgeo import gdal, osr

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.grid import Grid, Window
from s2rgb_mpi.inputs.warp.transform import suggested_resolution
from s2rgb_mpi.inputs.warp.web_tiles import MOST_PADDED, WebTiles, natural_zoom

WORLD = 2 * math.pi * 6_378_137


def crs(code):
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(code)
    return reference.ExportToWkt()


@pytest.mark.parametrize("tile", [64, 256, 512])
@pytest.mark.parametrize(
    ("north", "pixel"),
    [
        (5_300_040, 10),  # 47.8 N
        (4_690_000, 10),  # 42.3 N, on both sides of the middle between two zooms
        (4_680_000, 10),
        (100_000, 10),
        (8_000_000, 10),
        (5_300_040, 20),
        (5_300_040, 60),
        (5_300_040, 0.5),
    ],
)
def test_the_zoom_is_that_of_gdal(tmp_path, tile, north, pixel):
    dataset = gdal.GetDriverByName("MEM").Create("", 300, 200, 1, gdal.GDT_Byte)
    transform = (399_960, pixel, 0, north, 0, -pixel)
    dataset.SetProjection(crs(32632))
    dataset.SetGeoTransform(transform)
    options = ["TILING_SCHEME=GoogleMapsCompatible", f"BLOCKSIZE={tile}"]
    path = str(tmp_path / "cog.tif")
    gdal.Translate(path, dataset, format="COG", creationOptions=options)
    cog = gdal.Open(path)
    zoom = int(cog.GetMetadataItem("ZOOM_LEVEL", "TILING_SCHEME"))
    size = suggested_resolution(Grid(crs(32632), transform, 300, 200), crs(3857))
    assert natural_zoom(size, tile) == zoom
    assert WebTiles(zoom, tile).resolution == pytest.approx(cog.GetGeoTransform()[1], rel=1e-12)


@given(
    zoom=st.integers(0, 20),
    edge=st.sampled_from([64, 256, 512]),
    place=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    size=st.tuples(st.integers(1, 30_000), st.integers(1, 30_000)),
    has_levels=st.booleans(),
)
def test_every_level_is_whole_tiles_of_the_world(zoom, edge, place, size, has_levels):
    across = edge * 2**zoom
    size = [min(length, across) for length in size]
    col, row = (int(at * (across - length)) for at, length in zip(place, size, strict=True))
    shown = Window(col - across // 2, row - across // 2, *size)
    whole, levels = WebTiles(zoom, edge, has_levels).around(shown)
    assert shown.overlap(whole) == shown
    left, top = whole.col_off + across // 2, whole.row_off + across // 2
    for edges in ((left, left + whole.width), (top, top + whole.height)):
        assert 0 <= edges[0] < edges[1] <= across
        assert all(at % (edge << levels) == 0 for at in edges)
    assert levels == 0 or has_levels
    ends = col + size[0], row + size[1]
    tiles = [-(-end // edge) - at // edge for at, end in zip((col, row), ends, strict=True)]
    least = math.prod(tiles)
    assert whole.width * whole.height <= MOST_PADDED * least * edge**2
    # No level more than it takes to get everything into one tile.
    assert levels == 0 or max(tiles) > 2 ** (levels - 1)


def test_a_granule_has_levels_down_to_few_tiles():
    """Of the worst place of 35 x 35 tiles: the last level has at most 3 x 3 tiles."""
    for first in range(64):
        shown = Window(256 * first, 256 * first, 35 * 256, 35 * 256)
        whole, levels = WebTiles(13, 256).around(shown)
        assert levels >= 4
        assert max(whole.width, whole.height) >> levels <= 4 * 256


@pytest.mark.parametrize("shown", [Window(-1100, 0, 100, 100), Window(1000, 0, 100, 100)])
def test_nothing_lies_beyond_the_world(shown):
    with pytest.raises(UsageError, match="beyond the edge of web maps"):
        WebTiles(3, 256).around(shown)


def test_rows_beyond_the_world_are_cut():
    whole, _ = WebTiles(3, 256).around(Window(0, -1100, 100, 200))
    assert (whole.row_off, whole.height) == (-1024, 256)
