"""Other grids: pieces equal one gdalwarp of the whole, at full resolution, however they are cut."""

import numpy as np
import pytest
from osgeo import gdal, osr

from opened import resample
from rasters import copy_jp2, scene, write_raster
from s2rgb_mpi.grid import Grid, Window
from s2rgb_mpi.inputs.multiband import open_multiband
from s2rgb_mpi.inputs.product import Choice, Product, Warp
from s2rgb_mpi.inputs.warp import warper
from s2rgb_mpi.inputs.warp.onto_grid import lay_out_resampled
from s2rgb_mpi.inputs.warp.polynomial import horner
from s2rgb_mpi.inputs.warp.warper import Warper, most_source_pixels

CORNER = (399_963.7, 10.0, 0.0, 5_290_046.1, 0.0, -10.0)
"""Of a grid whose pixels do not begin at whole metres; Swiss ground."""

AREA = "AREA_OF_INTEREST=7.68,47.69,7.76,47.77"
"""West, south, east, north of what lies there, degrees."""

NAMES = ("B04", "B03", "B02")


@pytest.fixture(scope="module")
def raster(tmp_path_factory):
    """A raster with holes at CORNER."""
    path = tmp_path_factory.mktemp("raster") / "dn.tif"
    dn = scene(500, 400)
    dn[200:230, 100:180] = 0
    return write_raster(path, dn, transform=CORNER, nodata=0, descriptions=NAMES)


def lay(path, *, crs=None, resolution=10.0, resampling="nearest", bounds=None):
    """Bring a raster onto another grid, in windows of 64."""
    return lay_out_resampled(
        # GDAL keeps a JP2's descriptions in a file beside it, where the program does not look.
        [open_multiband(str(path), Choice(bidx=(1, 2, 3)))],
        crs=crs,
        resolution=resolution,
        resampling=resampling,
        bounds=bounds,
        bounds_crs="EPSG:4326",
        step=64,
    )


def read(scene, size=64):
    """Read the only product of a scene window by window: (height, width, 3) of the whole image."""
    (member,) = scene.members
    image = np.zeros((scene.grid.height, scene.grid.width, 3), dtype=np.uint16)
    for window in member.product.grid.windows(size, size):
        place = window.moved(member.col_off, member.row_off)
        image[place.slices] = resample(member.product, window)
    return image


def gdalwarp(path, grid, resampling, scale, *options):
    """Warp each band of a raster onto a grid, as gdalwarp does: (height, width, 3)."""
    x, dx, _, y, _, dy = grid.transform
    extent = [x, y + grid.height * dy, x + grid.width * dx, y]
    line = ["-of", "MEM", "-et", "0", "-ovr", "NONE", "-srcnodata", "0", "-dstnodata", "0"]
    line += ["-r", {"nearest": "near"}.get(resampling, resampling), "-t_srs", grid.crs]
    line += ["-te", *map(str, extent), "-ts", str(grid.width), str(grid.height)]
    line += ["-wo", f"XSCALE={scale[0]!r}", "-wo", f"YSCALE={scale[1]!r}", *options]
    bands = [gdal.Translate("", str(path), format="MEM", bandList=[n]) for n in (1, 2, 3)]
    return np.stack([gdal.Warp("", b, options=line).ReadAsArray() for b in bands], axis=-1)


@pytest.fixture
def small_pieces(monkeypatch):
    """Sources of pieces are far smaller than those of windows."""
    monkeypatch.setattr(warper, "MOST_SOURCE_PIXELS", 20_000)


@pytest.fixture
def no_polynomial(monkeypatch):
    """The operation itself moves every pixel."""
    monkeypatch.setattr(warper, "horner", lambda _: None)


@pytest.mark.usefixtures("small_pieces", "no_polynomial")
@pytest.mark.parametrize("crs", [None, "EPSG:2056"])
@pytest.mark.parametrize("resolution", [10.0, 15.0, 20.0, 40.0, 80.0])
@pytest.mark.parametrize("resampling", ["nearest", "bilinear", "cubic"])
def test_pieces_equal_one_gdalwarp_of_the_whole(raster, crs, resolution, resampling):
    layout = lay(raster, crs=crs, resolution=resolution, resampling=resampling)
    warp = layout.members[0].product.warp
    # Scales at which GDAL's releases agree: 1, one half, and what is less.
    ratio = 10 / resolution
    assert warp.scale == pytest.approx((ratio if ratio != 10 / 15 else 0.5,) * 2, rel=1e-3)
    assert warp.scale == (0.5, 0.5) or ratio not in {0.5, 10 / 15} or crs is not None
    expected = gdalwarp(raster, layout.grid, resampling, warp.scale, "-to", AREA)
    assert 0.8 < np.count_nonzero(expected) * resolution**2 / (500 * 400 * 3 * 100) < 1.1
    np.testing.assert_array_equal(read(layout), expected)


@pytest.mark.parametrize("resolution", [10.0, 20.0, 80.0])
@pytest.mark.parametrize("resampling", ["nearest", "bilinear", "cubic"])
def test_a_polynomial_gives_the_same_but_for_what_is_rounded_by_a_hair(
    raster, resolution, resampling, monkeypatch
):
    """At a slope of 1000 DN a pixel its 1e-9 pixels are 1e-6 DN: two samples in a million."""
    used = []

    def noted(points):
        used.append(horner(points))
        return used[-1]

    monkeypatch.setattr(warper, "horner", noted)
    layout = lay(raster, crs="EPSG:2056", resolution=resolution, resampling=resampling)
    warp = layout.members[0].product.warp
    expected = gdalwarp(raster, layout.grid, resampling, warp.scale, "-to", AREA).astype(int)
    different = np.abs(read(layout, 1024) - expected)
    assert all(used)
    assert different.max() <= (0 if resampling == "nearest" else 1)
    assert np.count_nonzero(different) <= 2e-6 * different.size + 2


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("resolution", [10.0, 80.0])
def test_pieces_cover_a_window_once_and_keep_within_memory(raster, resolution):
    layout = lay(raster, crs="EPSG:2056", resolution=resolution, resampling="cubic")
    product = layout.members[0].product
    window = Window(0, 0, product.grid.width, product.grid.height)
    seen = np.zeros((window.height, window.width), dtype=int)
    pieces = list(Warper(product).pieces(window))
    for piece in pieces:
        seen[piece.target.slices] += 1
        assert piece.source.width * piece.source.height <= most_source_pixels(product)
        if piece.target.width * piece.target.height > 1:
            assert piece.source.width * piece.source.height <= 20_000
    assert len(pieces) > 10
    assert seen.max() == 1
    # Left out is only what the source does not reach.
    image = gdalwarp(raster, product.grid, "cubic", product.warp.scale, "-to", AREA)
    assert seen[image.any(axis=2)].all()


def with_wrong_overviews(path, raster):
    """Copy a raster, and give it overviews that show something else."""
    gdal.Translate(str(path), str(raster), creationOptions=["TILED=YES", "BLOCKXSIZE=128"])
    dataset = gdal.Open(str(path), gdal.GA_Update)
    dataset.BuildOverviews("NONE", [2, 4, 8])
    for number in (1, 2, 3):
        for level in range(3):
            dataset.GetRasterBand(number).GetOverview(level).Fill(60_000)
    return str(path)


@pytest.fixture(scope="module", params=["jp2", "tif"])
def reducible(request, tmp_path_factory):
    """A function that writes DN as a file with reduced levels, at CORNER."""
    folder = tmp_path_factory.mktemp("reducible")

    def write(dn):
        raw = write_raster(folder / "raw.tif", dn, transform=CORNER, descriptions=NAMES)
        if request.param == "jp2":
            return copy_jp2(folder / "dn.jp2", raw)
        return with_wrong_overviews(folder / "dn.tif", raw)

    return write


def middles(grid):
    """Return where the middles of an image's pixels lie, in pixels of the raster at CORNER."""
    x, dx, _, y, _, dy = grid.transform
    cols = (x + dx * (np.arange(grid.width) + 0.5) - CORNER[0]) / CORNER[1]
    rows = (y + dy * (np.arange(grid.height) + 0.5) - CORNER[3]) / CORNER[5]
    return cols, rows


@pytest.mark.parametrize("resolution", [20.0, 40.0, 80.0])
@pytest.mark.parametrize("resampling", ["nearest", "bilinear", "cubic"])
def test_coarser_pixels_stay_in_their_places(reducible, resolution, resampling):
    """A slope is, in the middle of any pixel, as high as it is there."""
    cols, rows = np.meshgrid(np.arange(500), np.arange(400))
    dn = np.stack([1000 + 4 * cols, 2000 + 5 * rows, 500 + 2 * cols + 3 * rows], axis=-1)
    path = reducible(dn.astype(np.uint16))
    layout = lay(path, resolution=resolution, resampling=resampling)
    image = read(layout)
    col, row = np.meshgrid(*middles(layout.grid))
    if resampling == "nearest":
        col, row = np.floor(col), np.floor(row)
    else:
        col, row = col - 0.5, row - 0.5
    expected = np.stack([1000 + 4 * col, 2000 + 5 * row, 500 + 2 * col + 3 * row], axis=-1)
    inside = np.s_[4:-4, 4:-4]  # at the edges kernels are cut off
    assert image[inside].size > 3 * 1000
    np.testing.assert_allclose(image[inside], expected[inside], atol=0.501)


@pytest.mark.parametrize("resolution", [20.0, 40.0, 80.0])
@pytest.mark.parametrize("resampling", ["nearest", "bilinear", "cubic"])
def test_no_data_leaves_no_fringe(reducible, resolution, resampling):
    dn = np.full((400, 500, 3), 3000, dtype=np.uint16)
    dn[np.add.outer(np.arange(400), np.arange(500)) < 350] = 0
    layout = lay(reducible(dn), resolution=resolution, resampling=resampling)
    image = read(layout)
    assert set(np.unique(image)) == {0, 3000}
    # Valid is what has its middle in a valid pixel.
    cols, rows = (np.floor(each).astype(int) for each in middles(layout.grid))
    inside = np.ix_((rows >= 0) & (rows < 400), (cols >= 0) & (cols < 500))
    valid = dn[np.ix_(rows[(rows >= 0) & (rows < 400)], cols[(cols >= 0) & (cols < 500)])] > 0
    np.testing.assert_array_equal(image[inside] > 0, valid)


def test_jpeg_2000_gives_what_its_twin_gives(tmp_path):
    raw = write_raster(tmp_path / "dn.tif", scene(512, 512), transform=CORNER, descriptions=NAMES)
    jp2 = copy_jp2(tmp_path / "dn.jp2", raw)
    options = {"crs": "EPSG:2056", "resolution": 40.0, "resampling": "bilinear"}
    np.testing.assert_array_equal(read(lay(jp2, **options)), read(lay(raw, **options)))


def test_the_command_that_the_plan_prints_gives_the_same_pixels(raster):
    layout = lay(raster, crs="EPSG:2056", resolution=20.0, resampling="cubic")
    warp = layout.members[0].product.warp
    operation = ("-ct", warp.operation.definition)
    expected = gdalwarp(raster, layout.grid, "cubic", warp.scale, *operation)
    np.testing.assert_array_equal(read(layout), expected)


def test_pixels_do_not_depend_on_the_windows(raster):
    layout = lay(raster, crs="EPSG:2056", resolution=25.0, resampling="cubic")
    np.testing.assert_array_equal(read(layout, 64), read(layout, 1024))


def test_a_band_without_data_of_its_own_hides_no_other(tmp_path):
    dn = scene(100, 120)
    dn[20:60, 30:70, 1] = 0
    path = write_raster(tmp_path / "dn.tif", dn, transform=CORNER, descriptions=NAMES)
    layout = lay(path, crs="EPSG:2056", resampling="bilinear")
    expected = gdalwarp(path, layout.grid, "bilinear", (1.0, 1.0), "-to", AREA)
    np.testing.assert_array_equal(read(layout), expected)
    holes = (expected[..., 1] == 0) & (expected[..., 0] > 0)
    assert np.count_nonzero(holes) > 1000


def test_a_turned_raster_is_placed_by_all_of_its_transform(tmp_path):
    turned = (400_000.0, 8.66, 5.0, 5_290_000.0, 5.0, -8.66)
    path = write_raster(tmp_path / "dn.tif", scene(), transform=turned, descriptions=NAMES)
    layout = lay(path, resolution=10.0, resampling="bilinear")
    expected = gdalwarp(path, layout.grid, "bilinear", (1.0, 1.0))
    assert np.count_nonzero(expected.any(axis=2)) > 0.95 * np.count_nonzero(scene().any(axis=2))
    np.testing.assert_array_equal(read(layout), expected)


def test_places_beyond_the_pole_are_no_data(tmp_path):
    """PROJ moves no point beyond 90 degrees north; pixels below are not affected."""
    polar = (-50_000.0, 1000.0, 0.0, 50_000.0, 0.0, -1000.0)
    dn = scene(100, 100)
    path = write_raster(tmp_path / "dn.tif", dn, epsg=3413, transform=polar, descriptions=NAMES)
    degrees = osr.SpatialReference()
    degrees.ImportFromEPSG(4326)
    grid = Grid(degrees.ExportToWkt(), (0.0, 0.02, 0.0, 90.4, 0.0, -0.01), 300, 80)
    product = open_multiband(path)
    target = Product("", product.bands, grid, (1, 1), warp=Warp(product, "bilinear"))
    image = resample(target, Window(0, 0, 300, 80))
    assert not image[:40].any()
    below = grid.part(Window(0, 40, 300, 40))
    np.testing.assert_array_equal(image[40:], gdalwarp(path, below, "bilinear", (1.0, 1.0)))
    assert np.count_nonzero(image[40:].any(axis=2)) > 0.9 * 300 * 40


@pytest.mark.parametrize("resolution", [10.0, 2000.0])
def test_what_a_piece_needs_is_part_of_the_plan(raster, resolution):
    product = lay(raster, resolution=resolution, resampling="cubic").members[0].product
    assert most_source_pixels(product) <= 500 * 400
    grid = Grid("", CORNER, 10**5, 10**5)
    warp = Warp(Product("", (), grid, (1, 1)), "cubic", (10 / resolution,) * 2)
    large = Product("", (), grid, (1, 1), warp=warp)
    assert most_source_pixels(large) >= max(2 * 2**20, (resolution / 10 * 5) ** 2)
