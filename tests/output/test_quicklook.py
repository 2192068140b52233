"""The quicklook: from the file's own overviews where it has some, averaged where it has none."""

from functools import cache

import numpy as np
import pytest
from osgeo import gdal

import reference
from s2rgb_mpi.errors import OutputError
from s2rgb_mpi.output.geotiff.quicklook import quicklook
from s2rgb_mpi.testing.safe import read_dn


@pytest.fixture(scope="module")
def make(mpirun, safe, tmp_path_factory):
    """The function that makes a file, once for the same options: ``make(*options)``."""

    @cache
    def make(*options):
        path = tmp_path_factory.mktemp("quicklook") / "rgb.tif"
        run = mpirun(None, safe, "-o", path, "--tile", "64", "--window", "128", *options)
        assert run.returncode == 0, run.stderr
        return str(path)

    return make


def pixels(png):
    gdal.FileFromMemBuffer("/vsimem/seen.png", png)
    array = gdal.Open("/vsimem/seen.png").ReadAsArray()
    gdal.Unlink("/vsimem/seen.png")
    return np.moveaxis(array, 0, -1)


@pytest.mark.parametrize("mask", ["nodata", "internal", "alpha"])
@pytest.mark.parametrize(("edge", "level"), [(1024, 0), (400, 1), (200, 2)])
def test_it_is_the_largest_level_that_fits(make, safe, mask, edge, level):
    expected = reference.rgb(read_dn(safe), offset=-1000)
    for _ in range(level):
        expected = reference.halve(expected)
    picture = pixels(quicklook(make("--mask", mask), edge))
    np.testing.assert_array_equal(picture[..., :3], expected)
    np.testing.assert_array_equal(picture[..., 3], 255 * expected.any(axis=2))


def test_without_overviews_it_is_averaged(make, safe):
    image = reference.rgb(read_dn(safe), offset=-1000).astype(float)
    picture = pixels(quicklook(make("--layout", "tiled"), 306))  # half of 611, rounded up
    assert picture.shape == (195, 306, 4)
    # Far from the edges of "no data" an average of 2 x 2 pixels, give or take the odd size.
    inner = picture[60:180, 60:280, :3].astype(float).mean(axis=(0, 1))
    outer = image[120:360, 120:560].mean(axis=(0, 1))
    np.testing.assert_allclose(inner, outer, atol=1.5)


def test_no_overview_that_is_small_enough_is_averaged_further(make):
    assert pixels(quicklook(make(), 20)).shape == (13, 20, 4)


def test_a_file_that_cannot_be_read_back_is_an_error(tmp_path):
    path = tmp_path / "rgb.tif"
    path.write_bytes(b"II*\0 and no more")
    with pytest.raises(OutputError, match=f"^{path}: no quicklook of it: "):
        quicklook(str(path))
