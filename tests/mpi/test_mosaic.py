"""Several products become one image: the first valid pixel wins, and nothing is decoded twice."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, osr

import reference
from conftest import SMALL, read_rgb
from s2rgb_mpi.testing.safe import read_dn

COUNTING = (str(Path(__file__).parent / "programs" / "counting.py"),)

PLACES = {"top": (0, 40, 300, 260), "middle": (180, 0, 250, 200), "bottom": (90, 140, 280, 220)}
"""Column, row, width and height of three products on one grid, the one on top first."""


def write_bands(folder, name, dn, col, row):
    """Write three single-band GeoTIFFs in tiles of 128, `col` and `row` pixels into the grid."""
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(32632)
    paths = []
    for number, band in enumerate(("B04", "B03", "B02")):
        paths.append(folder / f"{name}_{band}.tif")
        options = ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128"]
        height, width = dn.shape[:2]
        driver = gdal.GetDriverByName("GTiff")
        dataset = driver.Create(str(paths[-1]), width, height, 1, gdal.GDT_UInt16, options)
        dataset.SetSpatialRef(crs)
        dataset.SetGeoTransform((399960 + 10 * col, 10, 0, 5300040 - 10 * row, 0, -10))
        dataset.GetRasterBand(1).WriteArray(dn[..., number])
    return paths


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    """Three products with holes: the arguments that name them, and their DN by name."""
    folder = tmp_path_factory.mktemp("products")
    rng = np.random.default_rng(1)
    arguments, pixels = [], {}
    for name, (col, row, width, height) in PLACES.items():
        dn = rng.integers(1, 12_000, (height, width, 3), dtype=np.uint16)
        dn[np.add.outer(np.arange(height), np.arange(width)) < 150] = 0
        dn[rng.random((height, width)) < 0.01] = 0
        pixels[name] = dn
        arguments += ["--rgb", *write_bands(folder, name, dn, col, row)]
    return arguments, pixels


def mosaic(pixels):
    """Paint from the bottom up what lies at PLACES."""
    width = max(col + width for col, _, width, _ in PLACES.values())
    height = max(row + height for _, row, _, height in PLACES.values())
    image = np.zeros((height, width, 3), dtype=np.uint8)
    for name in reversed(PLACES):
        col, row, width, height = PLACES[name]
        colours = reference.rgb(pixels[name])
        part = image[row : row + height, col : col + width]
        part[colours.any(axis=2)] = colours[colours.any(axis=2)]
    return image


@pytest.mark.parametrize("ranks", [1, 3, 6])
def test_first_valid_pixel_wins(mpirun, products, tmp_path, ranks):
    arguments, pixels = products
    run = mpirun(ranks, *arguments, "-o", tmp_path / "rgb.tif", *SMALL)
    assert run.returncode == 0, run.stderr
    np.testing.assert_array_equal(read_rgb(tmp_path / "rgb.tif"), mosaic(pixels))
    dataset = gdal.Open(str(tmp_path / "rgb.tif"))
    assert dataset.GetGeoTransform() == (399960, 10, 0, 5300040, 0, -10)
    assert dataset.GetMetadataItem("S2RGB_PRODUCT_3") == "bottom_B04"


@pytest.mark.parametrize("ranks", [1, 3, 6, 9])
def test_no_source_tile_is_decoded_twice(mpirun, products, tmp_path, ranks):
    arguments, _ = products
    run = mpirun(ranks, *arguments, "-o", tmp_path / "rgb.tif", *SMALL, program=COUNTING)
    assert run.returncode == 0, run.stderr
    reads = Counter(re.findall(r"^read \d+ (.*)$", run.stdout, re.MULTILINE))
    assert set(reads.values()) == {1}
    # Every tile of the product on top is read, and no more than there are of the others.
    found = Counter(Path(read.split()[0]).stem.removesuffix("_B04") for read in reads)
    assert found["top"] == 3 * 3
    assert 0 < found["middle"] <= 2 * 2
    assert 0 < found["bottom"] <= 3 * 2


@pytest.mark.parametrize("tile", [192, 256, 512, 640, (700, 8), (700, 600)], ids=str)
def test_sources_are_read_in_whole_blocks_each_once(mpirun, tmp_path, tile):
    """Tiles of any size, strips as wide as the image, and one block for all."""
    dn = np.random.default_rng(2).integers(0, 9_000, (600, 700, 3), dtype=np.uint16)
    width, height = tile if isinstance(tile, tuple) else (tile, tile)
    bands = write_bands(tmp_path, "blocks", dn, 0, 0)
    for number, band in enumerate(bands):
        bands[number] = tmp_path / f"blocks{number}.tif"
        options = [f"BLOCKYSIZE={height}"]
        if width % 16 == 0:
            options += ["TILED=YES", f"BLOCKXSIZE={width}"]
        gdal.Translate(str(bands[number]), str(band), creationOptions=options)
    run = mpirun(3, "--rgb", *bands, "-o", tmp_path / "rgb.tif", *SMALL, program=COUNTING)
    assert run.returncode == 0, run.stderr
    np.testing.assert_array_equal(read_rgb(tmp_path / "rgb.tif"), reference.rgb(dn))
    dataset = gdal.Open(str(bands[0]))  # GDAL may take a single strip apart into rows
    width, height = dataset.GetRasterBand(1).GetBlockSize()
    seen = np.zeros(dn.shape[:2], dtype=int)
    for line in re.findall(r"^read \d+ \S+ (.*)$", run.stdout, re.MULTILINE):
        col, row, cols, rows = map(int, line.split())
        assert (col % width, row % height) == (0, 0)
        seen[row : row + rows, col : col + cols] += 1
    assert (seen == 1).all()


def test_a_tile_that_is_not_seen_is_not_decoded(mpirun, safe, old_safe, tmp_path):
    run = mpirun(3, old_safe, safe, "-o", tmp_path / "rgb.tif", *SMALL, program=COUNTING)
    assert run.returncode == 0, run.stderr
    hidden = np.zeros((4, 5), dtype=bool)
    dn = read_dn(old_safe)
    for row, col in np.ndindex(hidden.shape):
        hidden[row, col] = dn[128 * row :, 128 * col :][:128, :128].any(axis=2).all()
    reads = re.findall(rf"^read \d+ {safe}\S* (\d+) (\d+)", run.stdout, re.MULTILINE)
    found = {(int(row) // 128, int(col) // 128) for col, row in reads}
    assert found == set(zip(*np.nonzero(~hidden), strict=True))


def test_each_product_has_its_own_offset(mpirun, safe, old_safe, tmp_path):
    run = mpirun(3, safe, old_safe, "-o", tmp_path / "rgb.tif", *SMALL)
    assert run.returncode == 0, run.stderr
    top = reference.rgb(read_dn(safe), offset=-1000)
    below = reference.rgb(read_dn(old_safe))
    expected = np.where(top.any(axis=2, keepdims=True), top, below)
    np.testing.assert_array_equal(read_rgb(tmp_path / "rgb.tif"), expected)


def test_a_step_between_products_is_reported(mpirun, products, tmp_path):
    """The same ground with +1000 in it, beneath itself: the medians of both tell."""
    _, pixels = products
    dn = np.where(pixels["top"] > 0, pixels["top"] // 4 + 1, 0).astype(np.uint16)
    holes = np.where(np.random.default_rng(3).random(dn.shape[:2]) < 0.5, 0, 1)
    above = write_bands(tmp_path, "above", dn * holes[..., np.newaxis].astype(np.uint16), 0, 0)
    below = write_bands(tmp_path, "below", np.where(dn > 0, dn + 1000, 0), 0, 0)
    lines, tags = [], []
    for ranks in (1, 4):
        path = tmp_path / f"{ranks}.tif"
        run = mpirun(ranks, "--rgb", *above, "--rgb", *below, "-o", path, *SMALL)
        assert run.returncode == 0, run.stderr
        lines.append([line for line in run.said if "overlaps" in line])
        tags.append(gdal.Open(str(path)).GetMetadataItem("S2RGB_OVERLAP_CHECK"))
    assert lines[0] == lines[1]
    assert tags[0] == tags[1]
    assert len(lines[0]) == 1
    differences = re.search(r"below_B04.* higher by (\S+), (\S+), (\S+) ", lines[0][0])
    assert differences is not None
    for difference in differences.groups():
        assert float(difference) == pytest.approx(0.1, abs=0.01)
    strict = mpirun(
        3, "--rgb", *above, "--rgb", *below, "-o", path, *SMALL, "--strict", "--overwrite"
    )
    assert strict.returncode == 2


def test_bytes_are_the_same_at_any_number_of_ranks(mpirun, products, tmp_path):
    arguments, _ = products
    files = []
    for ranks in (1, 2, 4):
        path = tmp_path / f"{ranks}.tif"
        assert mpirun(ranks, *arguments, "-o", path, *SMALL).returncode == 0
        files.append(path.read_bytes())
    assert all(file == files[0] for file in files)


def test_bounds_crop_to_whole_pixels(mpirun, products, tmp_path):
    arguments, pixels = products
    # 101.3 .. 305.2 columns and 60.5 .. 250.1 rows, in the CRS of the products
    bounds = (399960 + 1013, 5300040 - 2501, 399960 + 3052, 5300040 - 605)
    options = ["--bounds", *map(str, bounds), "--bounds-crs", "EPSG:32632"]
    run = mpirun(4, *arguments, "-o", tmp_path / "rgb.tif", *SMALL, *options)
    assert run.returncode == 0, run.stderr
    expected = mosaic(pixels)[60:251, 101:306]
    np.testing.assert_array_equal(read_rgb(tmp_path / "rgb.tif"), expected)
    transform = gdal.Open(str(tmp_path / "rgb.tif")).GetGeoTransform()
    assert transform == (399960 + 1010, 10, 0, 5300040 - 600, 0, -10)


def test_bounds_in_degrees_hold_what_they_name(mpirun, products, tmp_path):
    arguments, _ = products
    bounds = (7.67, 47.83, 7.69, 47.84)
    run = mpirun(3, *arguments, "-o", tmp_path / "rgb.tif", *SMALL, "--bounds", *bounds)
    assert run.returncode == 0, run.stderr
    corners = gdal.Info(str(tmp_path / "rgb.tif"), format="json")["wgs84Extent"]["coordinates"][0]
    east, north = (np.array(column) for column in zip(*corners, strict=True))
    assert sorted(east)[1] < bounds[0] < bounds[2] < sorted(east)[-2]
    assert sorted(north)[1] < bounds[1] < bounds[3] < sorted(north)[-2]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (
            (0.25, 0),
            r"begins at column 0\.250, row -40\.000 of the grid of \w+, between its pixels",
        ),
        ((0, 10.5), r"column 0\.000, row -29\.500"),
    ],
)
def test_products_off_the_grid_are_refused(mpirun, products, tmp_path, place, words):
    arguments, pixels = products
    off = write_bands(tmp_path, "off", pixels["top"], *place)
    run = mpirun(3, *arguments, "--rgb", *off, "-o", tmp_path / "rgb.tif")
    assert run.returncode == 2
    assert len(run.said) == 1
    assert re.search(words, run.said[0])


def test_bounds_that_show_nothing_are_refused(mpirun, products, tmp_path):
    arguments, _ = products
    run = mpirun(3, *arguments, "-o", tmp_path / "rgb.tif", "--bounds", 20, 40, 21, 41)
    assert run.returncode == 2
    (line,) = run.said
    words = "s2rgb_mpi: error: --bounds 20.0 40.0 21.0 41.0: nothing of the input lies there; in"
    assert line.startswith(f"{words} EPSG:4326 its bounds are ")
