"""Web maps in a browser: MapLibre and OpenLayers show the pixels of the file, by few requests.

GDAL's own COG of the same data, on the same tiles, is the measure of the requests.
"""

import math
import shutil
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import numpy as np
import pytest
from numpy.typing import NDArray
from osgeo import gdal

from browser import BROWSER, NO_BROWSER, opened
from conftest import launch
from s2rgb_mpi.testing.safe import write_safe
from shared import once
from web import Web

gdal.UseExceptions()

HERE = Path(__file__).parent
HOME = HERE.parent / ".venv-readers"
PAGES = ("maplibre", "openlayers")
WIDTH, HEIGHT, TILE = 800, 600, 256
WORLD = 2 * math.pi * 6_378_137


class Shown(NamedTuple):
    """What a page showed, and what it took."""

    picture: NDArray[np.uint8]
    """(row, col, band): red, green, blue, alpha."""
    requests: int
    nbytes: int


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return once(tmp_path_factory, "maps", write_files)


def write_files(folder: Path) -> Path:
    """Make our images with each mask that viewers know, and GDAL's COG of the same data."""
    safe = write_safe(folder / "safe", width=1700, height=1500, tile=512)
    for name, options in (
        ("nodata", ()),
        ("alpha", ("--mask", "alpha")),
        ("internal", ("--compress", "jpeg", "--quality", 100)),
    ):
        path = folder / f"{name}.tif"
        run = launch(3, safe, "-o", path, "--web-optimized", "--window", 512, *options)
        assert run.returncode == 0, run.stderr
    plain = folder / "plain.tif"
    run = launch(3, safe, "-o", plain, "--layout", "tiled")
    assert run.returncode == 0, run.stderr
    scheme = ["TILING_SCHEME=GoogleMapsCompatible", "OVERVIEW_RESAMPLING=AVERAGE"]
    scheme += ["COMPRESS=DEFLATE", "PREDICTOR=YES"]
    gdal.Translate(str(folder / "gdal.tif"), str(plain), format="COG", creationOptions=scheme)
    return folder


@pytest.fixture
def view(files, tmp_path):
    """The function that shows a file in a page, its middle at a pixel of the world at a zoom."""
    if BROWSER is None:
        pytest.skip(NO_BROWSER)
    if not (HOME / "node_modules" / "maplibre-gl").exists():
        pytest.skip("no viewers here: ci/setup --readers gets them, with Node.js >= 20.9")

    def show(page: str, name: str, middle: tuple[int, int], zoom: int) -> Shown:
        folder = Path(shutil.copytree(HERE / "readers" / "maps", tmp_path / f"{page}{zoom}{name}"))
        (folder / "node_modules").symlink_to(HOME / "node_modules")
        (folder / f"{name}.tif").symlink_to(files / f"{name}.tif")
        x, y = (at / TILE / 2**zoom for at in middle)
        lat = math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * y))))
        query = {"file": f"{name}.tif", "lon": 360 * x - 180, "lat": lat, "zoom": zoom}
        web = Web(folder)
        with web.running(), opened(f"{web.url}/{page}.html?{urlencode(query)}", folder):
            posted = web.wait(60)
        assert posted, (folder / "said.txt").read_text()
        assert list(web.posted) == ["/shown"], web.posted
        (folder / "shown.png").write_bytes(web.posted["/shown"])
        picture = np.moveaxis(gdal.Open(str(folder / "shown.png")).ReadAsArray(), 0, -1)
        ranges = web.ranges(f"/{name}.tif")
        ends = [list(map(int, each.removeprefix("bytes=").split("-"))) for each in ranges]
        return Shown(picture, len(ranges), sum(end + 1 - begin for begin, end in ends))

    return show


def level_of(path: Path, zoom: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Read the level of a file that lies at a zoom: RGBA, and its first pixel of the world."""
    dataset = gdal.Open(str(path))
    level = int(dataset.GetMetadataItem("ZOOM_LEVEL", "TILING_SCHEME")) - zoom
    if level:
        dataset = gdal.OpenEx(str(path), open_options=[f"OVERVIEW_LEVEL={level - 1}"])
    x, dx, _, y, _, _ = dataset.GetGeoTransform()
    image = np.moveaxis(dataset.ReadAsArray(), 0, -1)[..., :3]
    valid = dataset.GetRasterBand(1).GetMaskBand().ReadAsArray()
    place = round((x + WORLD / 2) / dx), round((WORLD / 2 - y) / dx)
    return np.dstack([image, valid]), place


def seen(path: Path, middle: tuple[int, int], zoom: int) -> NDArray[np.uint8]:
    """Return what a view has to show: the pixels of the file, transparent where it has no data."""
    image, place = level_of(path, zoom)
    left, top = middle[0] - WIDTH // 2 - place[0], middle[1] - HEIGHT // 2 - place[1]
    height, width = image.shape[:2]
    padded = np.pad(image, ((HEIGHT, HEIGHT), (WIDTH, WIDTH), (0, 0)))
    assert -WIDTH <= left <= width
    assert -HEIGHT <= top <= height
    return padded[top + HEIGHT :, left + WIDTH :][:HEIGHT, :WIDTH]


def middle_of(path: Path, zoom: int) -> tuple[int, int]:
    """Return the pixel of the world, at a zoom, in the middle of the valid pixels of a file."""
    image, place = level_of(path, zoom)
    rows, cols = np.nonzero(image[..., 3])
    return place[0] + int(cols.mean()), place[1] + int(rows.mean())


@pytest.mark.parametrize("zoom", [11, 13])
@pytest.mark.parametrize("name", ["nodata", "alpha", "internal"])
@pytest.mark.parametrize("page", PAGES)
def test_a_map_shows_the_pixels_of_the_file(files, view, page, name, zoom):
    path = files / f"{name}.tif"
    middle = middle_of(path, zoom)
    picture = view(page, name, middle, zoom).picture
    expected = seen(path, middle, zoom)
    share = np.mean(expected[..., 3] > 0)
    assert 0.1 < share < 0.95 if zoom == 11 else share == 1
    np.testing.assert_array_equal(picture[..., 3], expected[..., 3])
    valid = expected[..., 3] > 0
    difference = np.abs(picture[valid].astype(int) - expected[valid])
    if name == "internal":  # JPEG decoders differ
        assert difference.max() <= 12
        assert difference.mean() < 1
    else:
        assert not difference.any()


@pytest.mark.parametrize("zoom", [11, 12, 13])
@pytest.mark.parametrize("page", PAGES)
def test_a_view_needs_no_more_requests_than_gdals_own_file(files, view, page, zoom):
    middle = middle_of(files / "nodata.tif", zoom)
    ours, theirs = (view(page, name, middle, zoom) for name in ("nodata", "gdal"))
    print(f"{page} at zoom {zoom}: {ours[1:]}, GDAL's {theirs[1:]}")
    assert np.count_nonzero(ours.picture[..., 3]) == pytest.approx(
        np.count_nonzero(theirs.picture[..., 3]), rel=0.05
    )
    assert 0 < ours.requests <= theirs.requests
