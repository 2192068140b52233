"""Another grid: equal to one gdalwarp of the bands, coloured afterwards; no seams."""

import numpy as np
import pytest
from osgeo import gdal

import reference
from conftest import SMALL, read_rgb
from safe import read_dn


def bands_of(safe):
    """The red, green and blue band file of a product."""
    return [next(safe.rglob(f"*_{band}_10m.jp2")) for band in ("B04", "B03", "B02")]


def gdalwarp(bands, image, *options):
    """Warp three bands as gdalwarp does onto the grid of an image: DN (height, width, 3)."""
    dataset = gdal.Open(str(image))
    x, dx, _, y, _, dy = dataset.GetGeoTransform()
    width, height = dataset.RasterXSize, dataset.RasterYSize
    extent = [x, y + height * dy, x + width * dx, y]
    place = ["-te", *map(str, extent), "-ts", str(width), str(height)]
    line = ["-of", "MEM", "-et", "0", "-ovr", "NONE", "-srcnodata", "0", "-dstnodata", "0"]
    line += ["-to", "AREA_OF_INTEREST=7.65,47.80,7.75,47.86", *place, *options]
    return np.stack(
        [gdal.Warp("", str(band), options=line).ReadAsArray() for band in bands], axis=-1
    )


@pytest.mark.parametrize(
    ("resampling", "ranks"),
    [("nearest", 3), ("bilinear", 1), ("bilinear", 4), ("cubic", 2)],
)
def test_swiss_grid_equals_one_gdalwarp(mpirun, safe, tmp_path, resampling, ranks):
    path = tmp_path / "rgb.tif"
    options = ("--crs", "EPSG:2056", "--resolution", "10", "--resampling", resampling)
    run = mpirun(ranks, safe, "-o", path, *SMALL, *options)
    assert run.returncode == 0, run.stderr
    near = {"nearest": "near"}.get(resampling, resampling)
    dn = gdalwarp(bands_of(safe), path, "-t_srs", "EPSG:2056", "-r", near)
    assert np.count_nonzero(dn) > 0.9 * 3 * np.count_nonzero(read_dn(safe).any(axis=2))
    np.testing.assert_array_equal(read_rgb(path), reference.rgb(dn, offset=-1000))


def test_coarser_pixels_have_no_seams(mpirun, safe, tmp_path):
    """The kernel is widened, and by the same factor for every window."""
    images = []
    for ranks, window in ((1, 64), (3, 128), (4, 512)):
        path = tmp_path / f"{window}.tif"
        options = ("--resolution", "25", "--resampling", "bilinear", "--window", window)
        run = mpirun(ranks, safe, "-o", path, "--tile", "64", *options)
        assert run.returncode == 0, run.stderr
        images.append(read_rgb(path))
    np.testing.assert_array_equal(images[0], images[1])
    np.testing.assert_array_equal(images[0], images[2])
    scale = ("-wo", "XSCALE=0.4", "-wo", "YSCALE=0.4")
    dn = gdalwarp(bands_of(safe), tmp_path / "64.tif", "-r", "bilinear", *scale)
    np.testing.assert_array_equal(images[0], reference.rgb(dn, offset=-1000))


def test_products_of_two_zones_meet_on_a_third_grid(mpirun, old_safe, tmp_path):
    """One in the metres of zone 33, of which a part is missing, above one in those of zone 32."""
    below, above = bands_of(old_safe), []
    for number, band in enumerate(below):
        above.append(tmp_path / f"zone33_{number}.tif")
        line = ["-t_srs", "EPSG:32633", "-dstnodata", "0", "-tr", "10", "10"]
        line += ["-te", "399960", "5297000", "403000", "5300040", "-te_srs", "EPSG:32632"]
        gdal.Warp(str(above[-1]), str(band), options=line)
    path = tmp_path / "rgb.tif"
    run = mpirun(3, "--rgb", *above, "--rgb", *below, "-o", path, *SMALL, "--crs", "EPSG:32632")
    assert run.returncode == 0, run.stderr
    zone = ("-t_srs", "EPSG:32632")
    top, bottom = (reference.rgb(gdalwarp(bands, path, *zone)) for bands in (above, below))
    assert 0.2 < np.mean(top.any(axis=2)) < 0.8
    expected = np.where(top.any(axis=2, keepdims=True), top, bottom)
    np.testing.assert_array_equal(read_rgb(path), expected)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--crs", "EPSG:0"), "--crs EPSG:0"),
        (("--crs", "EPSG:4326"), "give --resolution"),
        (("--resampling", "cubic"), "--resampling means nothing without"),
        (("--resolution", "0"), "--resolution 0 must be above 0"),
    ],
)
def test_grids_that_cannot_be_are_refused(mpirun, safe, tmp_path, options, words):
    run = mpirun(2, safe, "-o", tmp_path / "rgb.tif", *options)
    assert run.returncode == 2
    assert len(run.said) == 1
    assert words in run.said[0]


def test_products_of_two_zones_need_a_crs(mpirun, safe, tmp_path):
    moved = tmp_path / "zone33.tif"
    band = bands_of(safe)[0]
    gdal.Translate(str(moved), str(band), outputSRS="EPSG:32633")
    run = mpirun(
        2, "--rgb", band, band, band, "--rgb", moved, moved, moved, "-o", tmp_path / "rgb.tif"
    )
    assert run.returncode == 2
    assert "zone33: not in the coordinate reference system of" in run.said[0]
