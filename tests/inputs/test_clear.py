"""Clear pixels of a product: which pixels of the classification decide on them, and errors."""

import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from osgeo import gdal

from composite import dilated
from opened import open_product
from rasters import TRANSFORM, copy_jp2, write_raster
from s2rgb_mpi.errors import InputError, ReadError
from s2rgb_mpi.grid import Grid, Window
from s2rgb_mpi.image.clouds import Clouds
from s2rgb_mpi.inputs import class_blocks
from s2rgb_mpi.inputs.band_file import BandFile
from s2rgb_mpi.inputs.clear import ClearMask, clear_share
from s2rgb_mpi.inputs.means import averaged
from s2rgb_mpi.inputs.mosaic import Member
from s2rgb_mpi.inputs.product import Choice, Product
from s2rgb_mpi.inputs.rgb_files import open_bands
from s2rgb_mpi.testing.eopf import write_eopf
from s2rgb_mpi.testing.safe import read_scl, write_safe

NEEDED = Choice(clouds=True, shares=True)
SCENE: dict[str, Any] = {
    "width": 501,
    "height": 333,
    "texture": "synthetic",
    "nodata_fraction": 0.2,
    "resolutions": (10, 20, 60),
    "scl": (20, 60),
}


@pytest.fixture(scope="module")
def safe(tmp_path_factory):
    return write_safe(tmp_path_factory.mktemp("safe"), tile=128, scl_tile=64, **SCENE)


def whole(grid: Grid) -> Window:
    return Window(0, 0, grid.width, grid.height)


def expected(
    classes: NDArray[np.uint8], scl: Grid, grid: Grid, clouds: Clouds, window: Window
) -> NDArray[np.bool_]:
    """Look at every pixel by itself, in metres: slow, and without any trick."""
    step = scl.transform[1]
    radius = math.ceil(clouds.buffer / step)
    near = dilated(np.isin(classes, clouds.classes), radius) & (classes != 0)
    clear = np.ones((window.height, window.width), bool)
    west, dx, _, north, _, dy = grid.transform
    for down in range(window.height):
        for across in range(window.width):
            left = (west + (window.col_off + across) * dx - scl.transform[0]) / step
            top = (scl.transform[3] - north - (window.row_off + down) * dy) / step
            right, bottom = left + dx / step, top - dy / step
            part = near[
                int(np.floor(top + 1e-6)) : int(np.ceil(bottom - 1e-6)),
                int(np.floor(left + 1e-6)) : int(np.ceil(right - 1e-6)),
            ]
            clear[down, across] = not part.any()
    return clear


def at(product: Product) -> Grid:
    assert product.classification is not None
    return product.classification.grid


@pytest.mark.parametrize("buffer", [0, 30])
@pytest.mark.parametrize(
    ("resolution", "factor", "offset"),
    [
        (10, 1, 0),
        (20, 1, 0),
        (60, 1, 0),
        (10, 2, 0),
        (10, 3, 1),
        (10, 7, 5),
        (20, 5, 2),
        (60, 40, 0),
    ],
)
def test_a_pixel_is_clear_where_none_that_it_overlaps_is_cloudy(
    safe, resolution, factor, offset, buffer
):
    product = open_product(str(safe), replace(NEEDED, resolution=resolution))
    product = averaged(product, factor, (offset, offset))
    clouds = Clouds(buffer=buffer)
    window = whole(product.grid)
    clear = ClearMask(product, clouds).read(window)
    by_hand = expected(read_scl(safe), at(product), product.grid, clouds, window)
    np.testing.assert_array_equal(clear, by_hand)
    assert not buffer or 0 < clear.mean() < 1 or factor == 40


def bands(folder, height, width, edge, epsg):
    """Write three bands with pixels of such an edge; the first corner is (8, 47)."""
    dn = np.full((height, width), 1000, np.uint16)
    place = (8, edge, 0, 47, 0, -edge)
    return [write_raster(folder / f"{name}.tif", dn, epsg=epsg, transform=place) for name in "RGB"]


def test_pixels_far_smaller_than_those_of_the_classification(tmp_path):
    """Each lies wholly in one of them: 24 in a row of 60 m."""
    classes = np.array([[9, 4, 9], [4, 9, 4]], np.uint8)
    scl = write_raster(tmp_path / "SCL.tif", classes, transform=(8, 60, 0, 47, 0, -60))
    product = open_bands([*bands(tmp_path, 48, 72, 2.5, 32632), scl], NEEDED)
    clear = ClearMask(product, Clouds()).read(whole(product.grid))
    np.testing.assert_array_equal(clear, np.kron(classes == 4, np.ones((24, 24), bool)))


@pytest.mark.parametrize(
    ("epsg", "edge", "radius"),
    [
        (4326, 0.0002, 4),  # 15.2 m from west to east at 47 degrees north
        (2222, 20 / 0.3048, 3),  # feet
        (32632, 20, 3),
        (32632, 0.0005, 80),  # the buffer is wider than all
    ],
)
def test_a_buffer_is_in_metres(tmp_path, epsg, edge, radius):
    classes = np.full((40, 40), 4, np.uint8)
    classes[20, 20] = 9
    place = (8, edge, 0, 47, 0, -edge)
    scl = write_raster(tmp_path / "SCL.tif", classes, epsg=epsg, transform=place)
    product = open_bands([*bands(tmp_path, 40, 40, edge, epsg), scl], NEEDED)
    clear = ClearMask(product, Clouds(buffer=60)).read(whole(product.grid))
    rows, cols = np.indices(classes.shape) - 20
    np.testing.assert_array_equal(clear, rows**2 + cols**2 > radius**2)


def test_at_10_m_it_is_each_pixel_twice_and_twice(safe):
    product = open_product(str(safe), NEEDED)
    cloudy = np.isin(read_scl(safe), (3, 8, 9, 10))
    clear = ClearMask(product, Clouds()).read(whole(product.grid))
    np.testing.assert_array_equal(clear, ~cloudy.repeat(2, 0).repeat(2, 1)[:333, :501])
    assert 0.1 < clear.mean() < 0.9


@pytest.mark.parametrize("kept", [0, 1000, 2**21])
def test_windows_are_parts_of_the_whole_whatever_is_kept(safe, monkeypatch, kept):
    monkeypatch.setattr(class_blocks, "KEPT_NBYTES", kept)
    monkeypatch.setattr(class_blocks, "LEAST_EDGE", 1)
    monkeypatch.setattr("s2rgb_mpi.inputs.clear.MOST_PIXELS", 3000)
    product = open_product(str(safe), NEEDED)
    clouds = Clouds(buffer=90)
    whole_mask = ClearMask(product, clouds).read(whole(product.grid))
    mask = ClearMask(product, clouds)
    rng = np.random.default_rng(0)
    for _ in range(50):
        col, row = int(rng.integers(0, 500)), int(rng.integers(0, 332))
        window = Window(col, row, int(rng.integers(1, 502 - col)), int(rng.integers(1, 334 - row)))
        np.testing.assert_array_equal(mask.read(window), whole_mask[window.slices])


def test_each_block_is_decoded_once_if_windows_are_read_row_by_row(safe, monkeypatch):
    monkeypatch.setattr(class_blocks, "LEAST_EDGE", 64)
    read: list[Window] = []
    before = BandFile.read_stored

    def spy(file, block):
        read.append(block)
        return before(file, block)

    monkeypatch.setattr(BandFile, "read_stored", spy)
    product = open_product(str(safe), NEEDED)
    mask = ClearMask(product, Clouds(buffer=60))
    for row in range(0, 333, 100):
        for col in range(0, 501, 100):
            mask.read(Window(col, row, min(100, 501 - col), min(100, 333 - row)))
    assert len(read) == len(set(read)) == 4 * 3


@pytest.mark.parametrize("layout", ["v2", "v3", "geozarr"])
def test_a_store_has_the_same_classes(safe, tmp_path, layout):
    pytest.importorskip("numcodecs")
    store = write_eopf(tmp_path, layout=layout, chunk=64, **SCENE)
    clouds = Clouds(buffer=40)
    masks = []
    for name in (safe, store):
        product = open_product(str(name), NEEDED)
        masks.append(ClearMask(product, clouds).read(whole(product.grid)))
    np.testing.assert_array_equal(masks[0], masks[1])


@pytest.mark.parametrize("layout", ["v2", "v3"])
def test_a_chunk_of_a_store_is_no_data_or_lost(tmp_path, layout):
    pytest.importorskip("numcodecs")
    store = write_eopf(tmp_path, layout=layout, chunk=64, **SCENE)
    product = open_product(str(store), NEEDED)
    key = "1.2" if layout == "v2" else "c/1/2"
    (store / "conditions/mask/l2a_classification/r20m/scl" / key).unlink()
    with pytest.raises(ReadError, match=f"{key}: this chunk is missing, and not in the other band"):
        ClearMask(product, Clouds()).read(whole(product.grid))
    # Where the bands have no data either, writers may leave it out.
    for band in ("b04", "b03", "b02"):
        (store / "measurements/reflectance/r20m" / band / key).unlink()
    clear = ClearMask(product, Clouds()).read(whole(product.grid))
    assert clear[128:256, 256:384].all()


CLASSES = np.full((20, 30), 4, np.uint8)
CLASSES[5, 7] = 9
CLASSES[12:, :10] = 0
CLASSES[6, 7] = 0


@pytest.fixture
def files(tmp_path):
    """Three bands of 10 m, and the function that adds a classification."""
    for name in "rgb":
        write_raster(tmp_path / f"{name}.tif", np.full((40, 60), 1000, np.uint16))

    def add(classes: NDArray[Any] = CLASSES, suffix: str = "tif") -> Product:
        transform = (TRANSFORM[0], 20.0, 0.0, TRANSFORM[3], 0.0, -20.0)
        path = write_raster(tmp_path / "scl.tif", classes, transform=transform)
        if suffix == "jp2":
            path = copy_jp2(tmp_path / "scl.jp2", path)
        return open_bands([*(str(tmp_path / f"{name}.tif") for name in "rgb"), path], NEEDED)

    return add


def test_no_data_is_never_cloudy_and_not_widened(files):
    product = files()
    clear = ClearMask(product, Clouds(classes=(9,), buffer=20)).read(whole(product.grid))
    assert {(row, col) for row, col in np.argwhere(~clear[::2, ::2])} == {
        *((5, 7), (4, 7), (5, 6), (5, 8)),
    }


@pytest.mark.parametrize("suffix", ["tif", "jp2"])
@pytest.mark.parametrize("number", [12, 13, 100, 255])
def test_what_is_no_class_is_an_error(files, number, suffix):
    classes = CLASSES.copy()
    classes[19, 29] = number
    product = files(classes, suffix)
    with pytest.raises(ReadError) as caught:
        ClearMask(product, Clouds()).read(whole(product.grid))
    assert str(caught.value) == (
        f"(0, 0, 30, 20) of {product.classification.path}: class {number} is none of a scene"
        " classification, 0 to 11: it is another image, or was resampled"
    )


def test_a_damaged_file_is_an_error_that_names_it(safe, tmp_path):
    copied = Path(shutil.copytree(safe, tmp_path / safe.name))
    product = open_product(str(copied), NEEDED)
    mask = ClearMask(product, Clouds())
    np.testing.assert_equal(mask.read(Window(0, 0, 10, 10)).shape, (10, 10))
    (file,) = copied.glob("GRANULE/*/IMG_DATA/R20m/*_SCL_20m.jp2")
    content = file.read_bytes()
    file.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(ReadError) as caught:
        ClearMask(product, Clouds()).read(whole(product.grid))
    assert f" of {file}: " in str(caught.value)
    assert "the file may be damaged or cut off: download it again" in str(caught.value)
    with pytest.raises(InputError, match=r"_SCL_60m\.jp2"):
        share_after_damage(product, copied)


def share_after_damage(product, copied):
    (file,) = copied.glob("GRANULE/*/IMG_DATA/R60m/*_SCL_60m.jp2")
    file.write_bytes(file.read_bytes()[:300])
    clear_share(Member(product, 0, 0), product.grid, Clouds())


def test_a_file_that_is_gone_is_an_error_of_reading(files):
    product = files()
    Path(product.classification.path).unlink()
    with pytest.raises(ReadError, match=r"scl\.tif: "):
        ClearMask(product, Clouds())


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("buffer", [0, 60])
@pytest.mark.parametrize(
    "shown", [(0, 0, 501, 333), (120, 60, 240, 120), (-600, -600, 2000, 2000)], ids=str
)
def test_the_share_of_clear_pixels_is_that_of_the_valid_ones(safe, coarse, buffer, shown):
    product = open_product(str(safe), replace(NEEDED, shares=coarse))
    window = Window(*shown)
    edge = 60 if coarse else 20
    classes = read_scl(safe, edge)
    transform = (TRANSFORM[0], edge, 0, TRANSFORM[3], 0, -edge)
    grid = Grid(product.grid.crs, transform, *classes.shape[::-1])
    clear = expected(classes, grid, grid, Clouds(buffer=buffer), whole(grid))
    inside = np.s_[
        max(0, window.row_off * 10 // edge) : -(-(window.row_off + window.height) * 10 // edge),
        max(0, window.col_off * 10 // edge) : -(-(window.col_off + window.width) * 10 // edge),
    ]
    valid = classes[inside] != 0
    member = Member(product, -window.col_off, -window.row_off)
    share = clear_share(member, product.grid.part(window), Clouds(buffer=buffer))
    assert share == (clear[inside] & valid).sum() / valid.sum()


def test_without_a_valid_pixel_there_is_no_share(files):
    product = files()
    shown = Window(0, 26, 18, 10)
    assert clear_share(Member(product, 0, -26), product.grid.part(shown), Clouds()) is None
    beside = Window(100, 100, 10, 10)
    assert clear_share(Member(product, -100, -100), product.grid.part(beside), Clouds()) is None


def test_levels_of_jpeg_2000_are_never_read(safe, monkeypatch):
    # They are averages of class numbers.
    product = open_product(str(safe), replace(NEEDED, resolution=60))
    sizes = []
    before = gdal.Dataset.ReadRaster

    def spy(self, col, row, width, height, *arguments, **options):
        sizes.append((options["buf_obj"].nbytes, width * height))
        return before(self, col, row, width, height, *arguments, **options)

    monkeypatch.setattr(gdal.Dataset, "ReadRaster", spy)
    ClearMask(product, Clouds()).read(whole(product.grid))
    assert sizes
    assert all(nbytes == pixels for nbytes, pixels in sizes)
