"""Products read as block means: right places, bounded pieces, no source block decoded twice."""

import itertools
from collections import Counter

import numpy as np
import pytest

import reference
from rasters import TRANSFORM, scene, write_raster
from s2rgb_mpi.grid import Grid, Window
from s2rgb_mpi.inputs import means as module
from s2rgb_mpi.inputs.band_file import BandFile
from s2rgb_mpi.inputs.means import averaged
from s2rgb_mpi.inputs.multiband import open_multiband
from s2rgb_mpi.inputs.product import TYPICAL_NS_PER_PIXEL, Product
from s2rgb_mpi.inputs.reader import Source
from s2rgb_mpi.inputs.rgb_files import open_bands

NAMES = ("B04", "B03", "B02")


def tiled(edge, *more):
    return ["TILED=YES", f"BLOCKXSIZE={edge}", f"BLOCKYSIZE={edge}", *more]


def three(folder, dn, **options):
    """Open DN (height, width, 3) as three files."""
    return open_bands([write_raster(folder / f"{n}.tif", dn[..., n], **options) for n in range(3)])


def read(product, window=None):
    whole = Window(0, 0, product.grid.width, product.grid.height)
    return np.stack(Source(product).read(window or whole), axis=-1)


@pytest.mark.parametrize("offset", [(0, 0), (1, 2)])
@pytest.mark.parametrize("factor", [2, 3, 7, 8])
@pytest.mark.parametrize(
    "options", [tiled(64), [], tiled(128, "INTERLEAVE=PIXEL")], ids=["tiles", "strips", "pixels"]
)
def test_windows_are_those_of_the_means_of_all(tmp_path, options, factor, offset):
    dn = scene(389, 611)
    if "INTERLEAVE=PIXEL" in options:
        path = write_raster(tmp_path / "all.tif", dn, descriptions=NAMES, options=options)
        product = open_multiband(path)
    else:
        product = three(tmp_path, dn, options=options)
    expected = reference.block_means(dn, factor, left=offset[0], top=offset[1])
    coarse = averaged(product, factor, offset)
    assert (coarse.grid.height, coarse.grid.width) == expected.shape[:2]
    x, y = TRANSFORM[0] - 10 * offset[0], TRANSFORM[3] + 10 * offset[1]
    assert coarse.grid.transform == (x, 10.0 * factor, 0.0, y, 0.0, -10.0 * factor)
    for window in coarse.grid.windows(33, 20):
        np.testing.assert_array_equal(read(coarse, window), expected[window.slices])


def test_means_of_codes_are_means_of_values(tmp_path):
    values = np.array([[0.1, 0.2, -9999, 0.4, 0.05]], np.float32)
    path = write_raster(tmp_path / "f.tif", values, nodata=-9999)
    coarse = averaged(open_bands([path] * 3), 2)
    codes = read(coarse)[0, :, 0]
    stored = coarse.bands[0].stored
    dn = stored.dn_of_codes()[codes]
    np.testing.assert_allclose(dn, [1500, 4000, 500], atol=0.26)


@pytest.mark.parametrize(("block", "factor"), [(64, 2), (64, 4), (64, 3), (64, 6), (48, 5)])
def test_no_source_block_is_decoded_twice(tmp_path, monkeypatch, block, factor):
    dn = scene(389, 611)
    coarse = averaged(three(tmp_path, dn, options=tiled(block)), factor)
    reads = []
    original = BandFile.read

    def noted(file, window):
        reads.append((file.bands[0].path, window))
        return original(file, window)

    monkeypatch.setattr(BandFile, "read", noted)
    monkeypatch.setattr(module, "MOST_FILE_PIXELS", 3 * block**2)
    source = Source(coarse)
    for window in coarse.grid.windows(*coarse.block):
        source.read(window)
    decoded = Counter(
        (path, row, col)
        for path, window in reads
        for row in range(window.row_off // block, -(-(window.row_off + window.height) // block))
        for col in range(window.col_off // block, -(-(window.col_off + window.width) // block))
    )
    assert set(decoded.values()) == {1}
    assert len(decoded) == 3 * -(-389 // block) * -(-611 // block)
    assert max(window.width * window.height for _, window in reads) <= 3 * block**2


def test_blocks_too_large_for_one_piece_are_read_in_rows_one_after_the_other(monkeypatch):
    monkeypatch.setattr(module, "MOST_FILE_PIXELS", 10_000)
    product = Product("", (), Grid("", TRANSFORM, 1000, 700), (400, 300))
    means = averaged(product, 3).means
    assert means is not None
    pieces = list(means.pieces(Window(-5, 0, 1200, 700)))
    assert max(piece.width * piece.height for piece in pieces) <= 10_000
    count = np.zeros((700, 1000), int)
    for piece in pieces:
        count[piece.slices] += 1
    assert np.unique(count).tolist() == [1]
    blocks = [(piece.row_off // 300, piece.col_off // 400) for piece in pieces]
    assert len([b for a, b in itertools.pairwise(blocks) if a != b]) + 1 == 9
    assert {(p.row_off + p.height - 1) // 300 - p.row_off // 300 for p in pieces} == {0}


@pytest.mark.parametrize(("factor", "block"), [(2, 512), (3, 1024), (8, 128), (10, 512)])
def test_costs_are_those_of_the_files(factor, block):
    grid, across = Grid("", TRANSFORM, 10_980, 10_980), 11
    costs = tuple(range(1, across**2 + 1))
    fine = Product("", (), grid, (1024, 1024), costs=costs)
    coarse = averaged(fine, factor)
    assert coarse.block == (block, block)
    whole = Window(0, 0, coarse.grid.width, coarse.grid.height)
    assert coarse.cost(whole) == pytest.approx(sum(costs))
    edge = 1024 * factor // np.gcd(1024, factor)
    corner = coarse.cost(Window(0, 0, block, block))
    assert corner == pytest.approx(fine.cost(Window(0, 0, edge, edge)))
    unknown = averaged(Product("", (), grid, (1024, 1024)), factor)
    assert unknown.cost(Window(0, 0, 5, 4)) == 20 * factor**2 * TYPICAL_NS_PER_PIXEL
