"""The image is right to the last pixel, at any number of ranks."""

import itertools
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile
from osgeo import gdal
from osgeo_utils.samples import validate_cloud_optimized_geotiff

import rasters
import reference
from conftest import SMALL, read_rgb
from s2rgb_mpi.testing.safe import read_dn, write_safe
from shared import once

HELPING = (str(Path(__file__).parent / "programs" / "helping.py"),)
RANKS = (1, 2, 3, 4, 6)
LOSSLESS = ("none", "deflate", "zstd", "lzw")


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """ESA's own JP2 tiles of 1024, 3 x 2 of them, not whole at the edges; and its image."""
    path = once(tmp_path_factory, "scene", partial(write_safe, width=2111, height=1303))
    return path, reference.rgb(read_dn(path), offset=-1000)


@pytest.mark.parametrize("ranks", RANKS)
def test_equal_to_the_reference_at_any_number_of_ranks(mpirun, scene, tmp_path, ranks):
    safe, expected = scene
    run = mpirun(ranks, safe, "-o", tmp_path / "rgb.tif")
    assert run.returncode == 0, run.stderr
    np.testing.assert_array_equal(read_rgb(tmp_path / "rgb.tif"), expected)
    assert [path.name for path in tmp_path.iterdir()] == ["rgb.tif"]
    found = validate_cloud_optimized_geotiff.validate(str(tmp_path / "rgb.tif"), full_check=True)
    assert found[:2] == ([], [])  # neither warnings nor errors


@pytest.mark.parametrize("ranks", [1, 4])
def test_equal_to_the_reference_without_an_offset(mpirun, old_safe, tmp_path, ranks):
    run = mpirun(ranks, old_safe, "-o", tmp_path / "rgb.tif", *SMALL)
    assert run.returncode == 0, run.stderr
    np.testing.assert_array_equal(read_rgb(tmp_path / "rgb.tif"), reference.rgb(read_dn(old_safe)))


@pytest.mark.parametrize("compress", LOSSLESS)
@pytest.mark.parametrize("layout", ["cog", "tiled"])
def test_equal_in_every_lossless_codec_and_level(mpirun, safe, tmp_path, compress, layout):
    run = mpirun(
        2, safe, "-o", tmp_path / "rgb.tif", *SMALL, "--compress", compress, "--layout", layout
    )
    assert run.returncode == 0, run.stderr
    expected = reference.rgb(read_dn(safe), offset=-1000)
    dataset = gdal.Open(str(tmp_path / "rgb.tif"))
    levels = dataset.GetRasterBand(1).GetOverviewCount()
    assert levels == (4 if layout == "cog" else 0)
    for level in range(levels + 1):
        np.testing.assert_array_equal(read_level(tmp_path / "rgb.tif", level), expected)
        expected = reference.halve(expected)


def test_overviews_of_an_image_of_many_windows_end_where_a_window_is_one_pixel(mpirun, tmp_path):
    """As those of 1024 pixels do in an image of 5,000 km."""
    dn = rasters.scene(70, 4500)
    paths = [rasters.write_raster(tmp_path / f"{n}.tif", dn[..., n]) for n in range(3)]
    options = ("--tile", 64, "--window", 64)
    run = mpirun(4, "--rgb", *paths, "-o", tmp_path / "rgb.tif", *options)
    assert run.returncode == 0, run.stderr
    expected = reference.rgb(dn)
    dataset = gdal.Open(str(tmp_path / "rgb.tif"))
    assert dataset.GetRasterBand(1).GetOverviewCount() == 6  # 7 would be one tile
    for level in range(7):
        np.testing.assert_array_equal(read_level(tmp_path / "rgb.tif", level), expected)
        expected = reference.halve(expected)
    found = validate_cloud_optimized_geotiff.validate(str(tmp_path / "rgb.tif"), full_check=True)
    assert found[:2] == ([], [])


@pytest.mark.parametrize(("compress", "bound"), [("jpeg", 4.0), ("webp", 4.0)])
def test_lossy_codecs_stay_within_a_bound(mpirun, safe, tmp_path, compress, bound):
    path = tmp_path / "rgb.tif"
    options = ("--compress", compress, "--quality", "95", "--mask", "internal")
    run = mpirun(2, safe, "-o", path, *SMALL, *options)
    assert run.returncode == 0, run.stderr
    expected = reference.rgb(read_dn(safe), offset=-1000)
    valid = expected.any(axis=2)
    np.testing.assert_array_equal(read_mask(path, level=0) != 0, valid)
    error = (read_rgb(path).astype(float) - expected)[valid]
    assert np.sqrt(np.mean(error**2)) < bound


@pytest.mark.parametrize("mask", ["internal", "alpha"])
def test_masks_tell_valid_pixels_at_every_level(mpirun, safe, tmp_path, mask):
    path = tmp_path / "rgb.tif"
    run = mpirun(2, safe, "-o", path, *SMALL, "--mask", mask)
    assert run.returncode == 0, run.stderr
    expected = reference.rgb(read_dn(safe), offset=-1000)
    for level in range(5):
        valid = np.where(expected.any(axis=2), 255, 0)
        np.testing.assert_array_equal(read_mask(path, level), valid)
        expected = reference.halve(expected)


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (("--layout", "cog"), RANKS),
        (("--layout", "tiled"), (1, 4)),
        (("--mask", "internal"), (2, 4)),
    ],
)
def test_bytes_are_the_same_at_any_number_of_ranks(mpirun, safe, tmp_path, options, numbers):
    files = []
    for ranks in numbers:
        path = tmp_path / f"{ranks}.tif"
        assert mpirun(ranks, safe, "-o", path, *SMALL, *options).returncode == 0
        files.append(path.read_bytes())
    assert all(file == files[0] for file in files)


def test_bytes_are_the_same_in_any_order_of_arrival(mpirun, safe, tmp_path):
    program = str(Path(__file__).parent / "programs" / "shuffled_arrival.py")
    files = []
    for seed in range(2):
        path = tmp_path / f"{seed}.tif"
        run = mpirun(4, seed, safe, "-o", path, *SMALL, program=(program,))
        assert run.returncode == 0, run.stderr
        files.append(path.read_bytes())
        orders = re.findall(r"^order (.*)$", run.stdout, re.MULTILINE)
        assert len(orders) == 1
        files.append(orders[0])
    assert files[0] == files[2]
    assert files[1] != files[3]  # the hook did shuffle


@pytest.mark.parametrize("layout", ["cog", "tiled"])
@pytest.mark.parametrize("ranks", [2, 5])
def test_bytes_are_the_same_whoever_copies_the_tiles(mpirun, safe, tmp_path, ranks, layout):
    options = (safe, *SMALL, "--layout", layout)
    one, many = tmp_path / "one.tif", tmp_path / "many.tif"
    assert mpirun(None, *options, "-o", one).returncode == 0
    run = mpirun(ranks, *options, "-o", many, program=HELPING)
    assert run.returncode == 0, run.stderr
    copied = {int(rank): int(n) for rank, n in re.findall(r"rank (\d+) copies (\d+)", run.stdout)}
    assert len(copied) == {2: 1, 5: 4}[ranks]  # all but the coordinator, which is the worker of two
    assert all(copied.values())
    assert one.read_bytes() == many.read_bytes()


def test_more_ranks_than_windows(mpirun, safe, tmp_path):
    run = mpirun(4, safe, "-o", tmp_path / "rgb.tif")  # one window of 1024
    assert run.returncode == 0, run.stderr
    expected = reference.rgb(read_dn(safe), offset=-1000)
    np.testing.assert_array_equal(read_rgb(tmp_path / "rgb.tif"), expected)


@pytest.mark.parametrize("sparse", [False, True])
def test_windows_without_data_are_written_unless_sparse(mpirun, tmp_path, sparse):
    safe = write_safe(tmp_path, width=512, height=512, tile=128, nodata_fraction=0.7)
    options = ["--sparse"] * sparse
    run = mpirun(3, safe, "-o", tmp_path / "rgb.tif", *SMALL, *options)
    assert run.returncode == 0, run.stderr
    expected = reference.rgb(read_dn(safe), offset=-1000)
    dataset = gdal.Open(str(tmp_path / "rgb.tif"))
    band = dataset.GetRasterBand(1)
    for row, col in itertools.product(range(8), range(8)):
        tile = expected[64 * row : 64 * row + 64, 64 * col : 64 * col + 64]
        is_there = band.GetMetadataItem(f"BLOCK_OFFSET_{col}_{row}", "TIFF") is not None
        assert is_there == (bool(tile.any()) or not sparse)
    np.testing.assert_array_equal(read_rgb(tmp_path / "rgb.tif"), expected)


@pytest.mark.parametrize("layout", ["cog", "tiled"])
def test_a_file_without_overviews_has_the_same_pixels(mpirun, safe, tmp_path, layout):
    path = tmp_path / "rgb.tif"
    run = mpirun(3, safe, "-o", path, *SMALL, "--layout", layout, "--overviews", "none")
    assert run.returncode == 0, run.stderr
    dataset = gdal.Open(str(path))
    assert dataset.GetRasterBand(1).GetOverviewCount() == 0
    is_cog = dataset.GetMetadataItem("LAYOUT", "IMAGE_STRUCTURE") == "COG"
    assert is_cog == (layout == "cog")
    np.testing.assert_array_equal(read_rgb(path), reference.rgb(read_dn(safe), offset=-1000))


def test_three_band_files_in_place_of_a_product(mpirun, old_safe, tmp_path):
    bands = [next(old_safe.rglob(f"*_{band}_10m.jp2")) for band in ("B04", "B03", "B02")]
    for number, band in enumerate(bands):  # a GeoTIFF in strips beside two JP2
        if number == 1:
            bands[1] = tmp_path / "green.tif"
            gdal.Translate(str(bands[1]), str(band))
    run = mpirun(3, "--rgb", *bands, "-o", tmp_path / "rgb.tif", *SMALL)
    assert run.returncode == 0, run.stderr
    np.testing.assert_array_equal(read_rgb(tmp_path / "rgb.tif"), reference.rgb(read_dn(old_safe)))


def test_equal_to_gdal_itself(mpirun, old_safe, tmp_path):
    """GDAL's recipe gives the same values wherever there is data.

    It differs in two stated places: it has no "no data" (DN 0 becomes 0 as any dark value does),
    and its darkest valid value is 0 where ours is 1.
    """
    bands = [str(next(old_safe.rglob(f"*_{band}_10m.jp2"))) for band in ("B04", "B03", "B02")]
    stack = gdal.BuildVRT("", bands, separate=True)
    scale = ["-ot", "Byte", "-scale", "0", "10000", "0", "255", "-exponent", f"{1 / 2.2:.17g}"]
    gdal.Translate(str(tmp_path / "gdal.tif"), stack, options=scale)
    assert mpirun(3, old_safe, "-o", tmp_path / "rgb.tif", *SMALL).returncode == 0
    ours, theirs = read_rgb(tmp_path / "rgb.tif"), read_rgb(tmp_path / "gdal.tif")
    dn = read_dn(old_safe)
    np.testing.assert_array_equal(ours[dn != 0], np.maximum(theirs, 1)[dn != 0])
    assert (theirs[dn == 0] == 0).all()


def test_other_readers_take_it_without_a_word(mpirun, safe, tmp_path):
    path, copy = tmp_path / "rgb.tif", tmp_path / "copy.tif"
    assert mpirun(3, safe, "-o", path, *SMALL).returncode == 0
    expected = reference.rgb(read_dn(safe), offset=-1000)

    gdal.Translate(str(copy), str(path))
    sums = []
    for file in (path, copy):
        info = python(
            f"from osgeo import gdal; gdal.UseExceptions();"
            f"print(gdal.Info({str(file)!r}, computeChecksum=True))"
        )
        sums.append(re.findall(rb"  Checksum=(\d+)", info))
    assert len(sums[0]) == 3
    assert sums[0] == sums[1]
    np.testing.assert_array_equal(read_rgb(copy), expected)
    np.testing.assert_array_equal(tifffile.imread(path), expected)
    # rasterio brings a libgdal of its own: not into this process.
    pixels = python(
        f"import rasterio, sys; sys.stdout.buffer.write(rasterio.open({str(path)!r}).read())"
    )
    assert pixels == np.moveaxis(expected, -1, 0).tobytes()


def python(script):
    """Run a script in a process of its own, that says nothing on stderr; return its stdout."""
    command = [sys.executable, "-W", "error", "-c", script]
    run = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert run.stderr == b""
    return run.stdout


def test_overviews_are_those_of_gdaladdo_where_sizes_are_even(mpirun, tmp_path):
    """Where the size above is odd GDAL stretches its cells, so that they fill the rounded-up size.

    There its cells are no longer 2 x 2 pixels, and drift by up to a pixel towards the far edge.
    300 rows halve to 150 and 75; what is made from those 75 differs.
    """
    safe = write_safe(tmp_path, width=512, height=300, tile=128, nodata_fraction=0.2)
    path, plain = tmp_path / "rgb.tif", tmp_path / "plain.tif"
    assert mpirun(3, safe, "-o", path, *SMALL).returncode == 0
    gdal.Translate(str(plain), str(path), creationOptions=["TILED=YES"])
    gdal.Open(str(plain), gdal.GA_Update).BuildOverviews("average", [2, 4, 8])
    for level in (1, 2):
        np.testing.assert_array_equal(read_level(path, level), read_level(plain, level))
    assert (read_level(path, 3) != read_level(plain, 3)).any()


def read_level(path, level):
    """Read the image at one level, (height, width, band)."""
    dataset = gdal.Open(str(path))
    bands = [dataset.GetRasterBand(number) for number in (1, 2, 3)]
    if level:
        bands = [band.GetOverview(level - 1) for band in bands]
    return np.stack([band.ReadAsArray() for band in bands], axis=-1)


def read_mask(path, level):
    """Read what GDAL takes for the validity at one level, (height, width)."""
    dataset = gdal.Open(str(path))
    band = dataset.GetRasterBand(1)
    return (band.GetOverview(level - 1) if level else band).GetMaskBand().ReadAsArray()
