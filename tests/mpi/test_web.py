"""Web maps: GDAL's grid and pixels, and every tile of every level is one tile of such a map."""

import json
import math
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from osgeo import gdal
from tifffile import TiffFile, TiffPage

import reference
from conftest import SMALL, read_rgb
from rasters import scene, write_raster
from s2rgb_mpi import Job, convert
from s2rgb_mpi.report.json_report import schema
from s2rgb_mpi.testing.safe import read_dn, write_safe

PROGRAMS = Path(__file__).parent / "programs"
COUNTING, FAILING = ((str(PROGRAMS / name),) for name in ("counting.py", "failing.py"))
WORLD = 2 * math.pi * 6_378_137
BANDS = ("B04", "B03", "B02")


@pytest.fixture(scope="module")
def dn(safe, tmp_path_factory):
    """The DN of the product as one raster, for GDAL."""
    path = tmp_path_factory.mktemp("dn") / "dn.tif"
    return write_raster(path, read_dn(safe), nodata=0)


def corner(path):
    """Return column and row of the first pixel, from the corner of the world; and the pixel."""
    x, dx, _, y, _, dy = gdal.Open(str(path)).GetGeoTransform()
    assert dx == pytest.approx(-dy, rel=1e-12)
    place = (x + WORLD / 2) / dx, (WORLD / 2 - y) / dx
    assert place == pytest.approx([round(each) for each in place], abs=1e-6)
    return round(place[0]), round(place[1]), dx


def pages_of(path):
    """Return the directories of a file, the image first."""
    with TiffFile(path) as tif:
        pages = [page for page in tif.pages if isinstance(page, TiffPage)]
        assert len(pages) == len(tif.pages)
        return pages


def scheme(path):
    return gdal.Open(str(path)).GetMetadata("TILING_SCHEME")


def gdal_cog(path, source, tile, resampling, *options):
    """Write the DN as GDAL's COG driver does; it approximates positions to 0.125 pixels."""
    scheme = ["TILING_SCHEME=GoogleMapsCompatible", f"BLOCKSIZE={tile}"]
    how = [*scheme, f"WARP_RESAMPLING={resampling}", *options]
    gdal.Translate(str(path), source, format="COG", creationOptions=how)
    return np.moveaxis(gdal.Open(str(path)).ReadAsArray(), 0, -1)


def gdalwarp(source, onto, resampling, scale):
    """Resample the DN of each band onto the grid of a file exactly; return (height, width, 3)."""
    dataset = gdal.Open(str(onto))
    x, dx, _, y, _, dy = dataset.GetGeoTransform()
    place = ["-te", x, y + dy * dataset.RasterYSize, x + dx * dataset.RasterXSize, y]
    place += ["-ts", dataset.RasterXSize, dataset.RasterYSize, "-t_srs", "EPSG:3857"]
    words = ["-of", "MEM", "-et", "0", "-r", {"nearest": "near"}.get(resampling, resampling)]
    words += ["-srcnodata", "0", "-dstnodata", "0", *map(str, place)]
    words += ["-wo", f"XSCALE={scale}", "-wo", f"YSCALE={scale}"]
    bands = (gdal.Translate("", source, format="MEM", bandList=[n]) for n in (1, 2, 3))
    return np.stack([gdal.Warp("", b, options=words).ReadAsArray() for b in bands], axis=-1)


def common(ours, theirs):
    """Return our image in the area of the other file, and whether there is nothing outside it."""
    (col, row, size), (left, top, other) = corner(ours), corner(theirs)
    assert size == pytest.approx(other, rel=1e-12)
    image, dataset = read_rgb(ours), gdal.Open(str(theirs))
    assert col <= left
    assert row <= top
    place = np.s_[top - row :, left - col :][0:2]
    inside = image[place][: dataset.RasterYSize, : dataset.RasterXSize]
    assert inside.shape[:2] == (dataset.RasterYSize, dataset.RasterXSize)
    assert np.count_nonzero(inside) == np.count_nonzero(image)
    return inside


@pytest.mark.parametrize(
    ("resampling", "zoom", "scale"),
    [
        ("nearest", None, 0.5),
        ("bilinear", None, 0.5),
        ("cubic", None, 0.5),
        ("nearest", 16, 1),
        ("cubic", 16, 1),  # pixels are enlarged
    ],
)
def test_grid_and_pixels_are_those_of_gdal(mpirun, safe, dn, tmp_path, *, resampling, zoom, scale):
    path, cog = tmp_path / "rgb.tif", tmp_path / "gdal.tif"
    options = ["--web-optimized", "--resampling", resampling]
    options += [] if zoom is None else ["--zoom", zoom]
    run = mpirun(3, safe, "-o", path, *SMALL, *options)
    assert run.returncode == 0, run.stderr
    theirs = [] if zoom is None else [f"ZOOM_LEVEL={zoom}"]
    approximate = gdal_cog(cog, dn, 64, resampling, *theirs)
    assert scheme(path)["ZOOM_LEVEL"] == scheme(cog)["ZOOM_LEVEL"] == str(zoom or 15)
    image = common(path, cog)
    exact = gdalwarp(dn, cog, resampling, scale)
    np.testing.assert_array_equal(image, reference.rgb(exact, offset=-1000))
    if scale == 1 or resampling == "nearest":  # the driver's own scale is the same
        driver = reference.rgb(approximate, offset=-1000).astype(int)
        assert np.mean(np.abs(image - driver) <= 2) > 0.97


def test_the_default_is_cubic(mpirun, safe, tmp_path):
    usual, cubic = tmp_path / "usual.tif", tmp_path / "cubic.tif"
    for path, options in ((usual, ()), (cubic, ("--resampling", "cubic"))):
        run = mpirun(2, safe, "-o", path, *SMALL, "--web-optimized", *options)
        assert run.returncode == 0, run.stderr
    assert usual.read_bytes() == cubic.read_bytes()


@pytest.mark.parametrize(("tile", "zoom"), [(64, 15), (256, 13), (512, 12)])
def test_every_tile_of_every_level_is_a_tile_of_the_map(mpirun, safe, tmp_path, tile, zoom):
    path, cog = tmp_path / "rgb.tif", tmp_path / "gdal.tif"
    size = () if tile == 256 else ("--tile", tile)
    run = mpirun(2, safe, "-o", path, "--web-optimized", "--window", 512, *size)
    assert run.returncode == 0, run.stderr
    options = ["TILING_SCHEME=GoogleMapsCompatible", f"BLOCKSIZE={tile}"]
    source = gdal.Open(str(next(safe.rglob("*_B04_10m.jp2"))))
    gdal.Translate(str(cog), source, format="COG", creationOptions=options)
    assert scheme(cog) == {"NAME": "GoogleMapsCompatible", "ZOOM_LEVEL": str(zoom)}
    pages = pages_of(path)
    assert len(pages) == {64: 3, 256: 3, 512: 2}[tile]
    assert scheme(path) == scheme(cog) | {"ALIGNED_LEVELS": str(len(pages))}
    assert 254 not in pages[0].tags  # NewSubfileType
    assert gdal.Open(str(path)).GetSpatialRef().GetAuthorityCode(None) == "3857"
    col, row, pixel = corner(path)
    for level, page in enumerate(pages):
        assert (page.tilewidth, page.tilelength) == (tile, tile)
        assert (page.imagewidth % tile, page.imagelength % tile) == (0, 0)
        assert (col % (tile << level), row % (tile << level)) == (0, 0)
        assert page.imagewidth << level == pages[0].imagewidth
        assert page.imagelength << level == pages[0].imagelength
    assert pixel == pytest.approx(WORLD / tile / 2**zoom, rel=1e-14)


def test_overviews_are_means_of_the_level_above(mpirun, safe, tmp_path):
    path, report = tmp_path / "rgb.tif", tmp_path / "r.json"
    run = mpirun(3, safe, "-o", path, *SMALL, "--web-optimized", "--report", report)
    assert run.returncode == 0, run.stderr
    image = read_rgb(path)
    levels = len(pages_of(path)) - 1
    assert levels > 1
    record = json.loads(report.read_text())
    jsonschema.validate(record, schema())
    assert (record["plan"]["tiling"]["zoom"], record["plan"]["tiling"]["levels"]) == (15, levels)
    for level in range(levels):
        image = reference.halve(image)
        found = gdal.OpenEx(str(path), open_options=[f"OVERVIEW_LEVEL={level}"]).ReadAsArray()
        np.testing.assert_array_equal(np.moveaxis(found, 0, -1), image)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two rasters beside each other, far apart enough that a tile between them is empty."""
    folder = tmp_path_factory.mktemp("pair")
    paths = []
    for number, col in enumerate((0, 900)):
        place = (399_960 + 10 * col, 10, 0, 5_290_040, 0, -10)
        values = np.maximum(scene(500, 300) // (number + 1), 1)
        path = folder / f"{number}.tif"
        tiled = ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128"]
        paths.append(
            write_raster(path, values, transform=place, nodata=0, descriptions=BANDS, options=tiled)
        )
    return paths


def test_a_mosaic_has_the_same_bytes_at_any_number_of_ranks(mpirun, pair, tmp_path):
    files = []
    for ranks in (1, 3, 6):
        path = tmp_path / f"{ranks}.tif"
        run = mpirun(ranks, *pair, "-o", path, *SMALL, "--web-optimized", program=COUNTING)
        assert run.returncode == 0, run.stderr
        reads = re.findall(r"^read \d+ (.*)$", run.stdout, re.MULTILINE)
        assert len(set(reads)) == len(reads)  # no source chunk is decoded twice
        files.append(path.read_bytes())
    assert files[0] == files[1] == files[2]
    expected = np.zeros_like(read_rgb(path))
    for source in pair[::-1]:
        part = reference.rgb(gdalwarp(source, path, "cubic", 0.5))
        over = part.any(axis=2, keepdims=True)
        expected = np.where(over, part, expected)
    np.testing.assert_array_equal(read_rgb(path), expected)


def test_padding_is_not_read_and_takes_hardly_any_bytes(mpirun, safe, tmp_path):
    """The bounds are one pixel; the image is a whole tile, and more at lower zooms."""
    path = tmp_path / "rgb.tif"
    bounds = ("--bounds", 403_000, 5_298_000, 403_010, 5_298_010, "--bounds-crs", "EPSG:32632")
    run = mpirun(2, safe, "-o", path, *SMALL, "--web-optimized", *bounds, program=COUNTING)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("read ") == 1  # of two chunks
    assert 1 <= np.count_nonzero(read_rgb(path).any(axis=2)) <= 4
    assert pages_of(path)[0].shape == (64, 64, 3)
    run = mpirun(2, safe, "-o", path, "--overwrite", "--web-optimized", "--zoom", 15)
    assert run.returncode == 0, run.stderr
    page = pages_of(path)[0]
    sizes = np.array(page.databytecounts).reshape(page.imagelength // 256, -1)
    tiles = read_rgb(path).reshape(len(sizes), 256, -1, 256, 3).any(axis=(1, 3, 4))
    assert np.count_nonzero(~tiles) > np.count_nonzero(tiles) / 2
    assert sizes[~tiles].max() < 1000  # 238 by zlib, 881 by libdeflate; 196,608 pixels
    assert sizes[~tiles].mean() < 0.03 * sizes[tiles].mean()


def test_bounds_are_kept_though_tiles_are_larger(mpirun, pair, tmp_path):
    """Products that are in place already too: the second run has the image of the first."""
    path, again = tmp_path / "rgb.tif", tmp_path / "again.tif"
    bounds = ("--bounds", 404_000, 5_288_000, 410_000, 5_289_500, "--bounds-crs", "EPSG:32632")
    run = mpirun(3, *pair, "-o", path, *SMALL, "--web-optimized", *bounds)
    assert run.returncode == 0, run.stderr
    col, row, pixel = corner(path)
    valid = read_rgb(path).any(axis=2)
    rows = np.flatnonzero(valid.any(axis=1))
    # 1500 m on the ground are about 2230 m of this CRS, and turned by about a degree.
    height = (rows[-1] + 1 - rows[0]) * pixel
    assert 2230 < height < 2230 + 6000 * math.tan(math.radians(1.2)) * 1.5 + 2 * pixel
    assert valid.mean() < 0.5
    web = write_raster(
        tmp_path / "web.tif",
        scene(300, 200),
        epsg=3857,
        transform=(col * pixel - WORLD / 2, pixel, 0, WORLD / 2 - row * pixel, 0, -pixel),
        descriptions=BANDS,
        nodata=0,
    )
    x, y = (col + 100) * pixel - WORLD / 2, WORLD / 2 - (row + 150) * pixel
    part = ("--bounds", x, y, x + 50 * pixel, y + 70 * pixel, "--bounds-crs", "EPSG:3857")
    run = mpirun(2, web, "-o", again, *SMALL, "--web-optimized", *part)
    assert run.returncode == 0, run.stderr
    at = corner(again)
    expected = np.zeros_like(read_rgb(again))
    left, top = col + 100 - at[0], row + 80 - at[1]
    shown = reference.rgb(scene(300, 200))[80:150, 100:150]
    expected[top : top + 70, left : left + 50] = shown
    np.testing.assert_array_equal(read_rgb(again), expected)


def test_a_low_zoom_is_made_of_block_means(mpirun, tmp_path):
    safe = write_safe(tmp_path, width=1510, height=1090, tile=128, resolutions=(10, 20))
    path = tmp_path / "rgb.tif"
    options = ("--web-optimized", "--zoom", 13, "--dry-run", "--json")  # 64 x 64: 51 m
    run = mpirun(None, safe, "-o", path, *SMALL, *options)
    assert run.returncode == 0, run.stderr
    plan = json.loads(run.stdout)
    (product,) = plan["inputs"]
    assert (product["pixel"], product["factor"]) == (10, 5)
    assert product["resampled"]["resampling"] == "bilinear"
    assert plan["tiling"]["zoom"] == 13
    assert plan["tiling"]["levels"] == plan["levels"] > 0
    assert plan["tiling"]["ground"] == pytest.approx(51.3, abs=0.2)


def test_a_dry_run_states_the_zooms(mpirun, safe, tmp_path):
    run = mpirun(None, safe, "-o", tmp_path / "rgb.tif", "--web-optimized", "--dry-run", "--advise")
    assert run.returncode == 0, run.stderr
    (line,) = re.findall("^tiles .*$", run.stdout, re.MULTILINE)
    said = "zooms 11 to 13; a pixel is 12.8 m on the ground at 47.8 N"
    assert line == f"tiles    GoogleMapsCompatible, {said}"
    run = mpirun(None, safe, "-o", tmp_path / "rgb.tif", "--dry-run")
    assert "\ntiles " not in run.stdout


def test_it_is_the_same_from_a_file_and_from_python(mpirun, safe, tmp_path):
    job = tmp_path / "job.toml"
    job.write_text(f'products = ["{safe}"]\nweb-optimized = true\nzoom = 14\nwindow = 256\n')
    run = mpirun(3, "--job", job, "-o", tmp_path / "file.tif")
    assert run.returncode == 0, run.stderr
    convert(Job(safe, tmp_path / "python.tif", web_optimized=True, zoom=14, window=256))
    assert (tmp_path / "python.tif").read_bytes() == (tmp_path / "file.tif").read_bytes()
    assert scheme(tmp_path / "file.tif")["ZOOM_LEVEL"] == "14"


@pytest.mark.parametrize("ranks", [1, 4])
def test_a_stopped_run_resumes_to_the_same_bytes(mpirun, safe, tmp_path, ranks):
    whole, path = tmp_path / "whole.tif", tmp_path / "rgb.tif"
    web = (*SMALL, "--web-optimized")
    run = mpirun(2, safe, "-o", whole, *web)
    assert run.returncode == 0, run.stderr
    run = mpirun(3, "worker", "SIGUSR1", safe, "-o", path, *web, program=FAILING)
    assert run.returncode == 75, run.stderr
    assert not path.exists()
    # The image of another zoom is another one.
    run = mpirun(2, safe, "-o", path, *web, "--zoom", 14, "--resume")
    assert run.returncode == 2, run.stderr
    run = mpirun(ranks, safe, "-o", path, *web, "--resume")
    assert run.returncode == 0, run.stderr
    assert "resum" in run.stderr
    assert path.read_bytes() == whole.read_bytes()


def test_the_edge_of_the_map_is_named(mpirun, tmp_path):
    """A granule at the antimeridian, and one beyond 85 degrees north."""
    for name, epsg, place, words in (
        ("fiji", 32760, (816_000, 10, 0, 8_120_000, 0, -10), "breaks at the antimeridian"),
        ("pole", 32632, (500_000, 10, 0, 9_600_000, 0, -10), "beyond the edge of web maps"),
    ):
        raster = tmp_path / f"{name}.tif"
        write_raster(raster, scene(512, 512), epsg=epsg, transform=place, descriptions=BANDS)
        run = mpirun(2, raster, "-o", tmp_path / "rgb.tif", "--web-optimized")
        assert run.returncode == 2, run.stderr
        (line,) = run.said
        assert words in line
        assert "--crs" not in line
