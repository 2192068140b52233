"""Products in their places: every pixel is that of the product that the rule says."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from osgeo import osr

from geotiffs import TRANSFORM, make_grid
from s2rgb_mpi import render
from s2rgb_mpi.errors import InputError, UsageError
from s2rgb_mpi.grid import Grid, Window
from s2rgb_mpi.job import Job
from s2rgb_mpi.plan import make_plan
from s2rgb_mpi.product import Band, Product
from s2rgb_mpi.profile import Profile
from s2rgb_mpi.radiometry import Calibration
from s2rgb_mpi.report import Tally
from s2rgb_mpi.scene import cells, lay_out, warp_out

places = st.tuples(st.integers(-150, 150), st.integers(-150, 150), *[st.integers(1, 130)] * 2)


def product(name, col, row, width, height):
    """Make a product whose first pixel lies at a column and row of the grid of TRANSFORM."""
    grid = make_grid(1, 1).part(Window(col, row, width, height))
    bands = tuple(Band(band, f"{name}_{band}", Calibration()) for band in ("B04", "B03", "B02"))
    return Product(name, bands, grid, (min(64, width), min(64, height)))


def pixels(number, width, height):
    """Make DN of one product, different from those of all others, with holes."""
    rng = np.random.default_rng(number)
    dn = np.full((height, width), 300 * (number + 1), dtype=np.uint16)
    dn[rng.random((height, width)) < 0.3] = 0
    return dn


@pytest.fixture(scope="module")
def reads():
    """Products whose pixels lie in memory; what is read of each is kept here."""
    seen = []

    class Pixels:
        def __init__(self, product, memory):  # noqa: ARG002  pixels of its own
            self.number = int(product.name)
            self.dn = pixels(self.number, product.grid.width, product.grid.height)

        def read(self, window):
            seen.append((self.number, window))
            return [self.dn[window.slices]] * 3

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "Source", Pixels)
        yield seen


def render_all(scene):
    """Render a scene window by window, in the order of the plan, as one worker does."""
    job = Job(("0",), (), Path("rgb.tif"), window=64, profile=Profile(tile=64, layout="tiled"))
    plan = make_plan(job, scene)
    image = np.zeros((scene.grid.height, scene.grid.width), dtype=np.uint8)
    renderer = render.Renderer(plan, range(len(plan.windows)), Tally("worker"))
    for number, window in enumerate(plan.windows):
        image[window.slices] = renderer.render(number).rgba[..., 0]
    return image, plan


def painted(scene):
    """Paint a scene from the bottom up, without windows or cells."""
    image = np.zeros((scene.grid.height, scene.grid.width), dtype=np.uint16)
    for number, member in reversed(list(enumerate(scene.members))):
        for row, col in np.ndindex(member.product.grid.height, member.product.grid.width):
            place = row + member.row_off, col + member.col_off
            if all(0 <= index < size for index, size in zip(place, image.shape, strict=True)):
                dn = number_pixels(number, member)[row, col]
                image[place] = dn or image[place]
    return np.where(image, np.floor(255 * (image / 10_000) ** (1 / 2.2) + 0.5), 0)


def number_pixels(number, member, cache={}):  # noqa: B006  the cache is the point
    grid = member.product.grid
    key = number, grid.width, grid.height
    if key not in cache:
        cache[key] = pixels(*key)
    return cache[key]


@settings(max_examples=40)
@given(st.lists(places, min_size=1, max_size=4))
def test_every_pixel_is_that_of_the_first_valid_product(reads, where):
    scene = lay_out([product(str(number), *place) for number, place in enumerate(where)])
    reads.clear()
    image, _ = render_all(scene)
    np.testing.assert_array_equal(image, painted(scene))
    assert len(reads) == len(set(reads))


@settings(max_examples=20)
@given(st.lists(places, min_size=1, max_size=3), st.integers(1, 3))
@pytest.mark.usefixtures("reads")
def test_what_is_kept_is_what_the_plan_says(where, workers):
    scene = lay_out([product(str(number), *place) for number, place in enumerate(where)])
    job = Job(("0",), (), Path("rgb.tif"), window=64, profile=Profile(tile=64, layout="tiled"))
    plan = make_plan(job, scene)
    for share in plan.deal(workers):
        renderer = render.Renderer(plan, share, Tally("worker"))
        most = 0
        for number in share:
            renderer.render(number)
            kept = renderer._kept.values()  # noqa: SLF001  nothing else tells its size
            most = max(most, sum(part.rgba.nbytes for part in kept))
        assert most <= plan.kept_nbytes(share)
        if len(where) == 1:  # nothing hides a cell, so that it would not be read
            assert most == plan.kept_nbytes(share)
        assert not renderer._kept  # noqa: SLF001
        assert not renderer._sources  # noqa: SLF001  a product that is done is closed


def test_a_share_is_walked_from_the_end_that_keeps_less():
    """The second product's cells begin near the end of windows: their short parts are kept."""
    scene = lay_out([product("0", 0, 0, 64, 64), product("1", 124, 0, 512, 64)])
    job = Job(("0",), (), Path("rgb.tif"), window=64, profile=Profile(tile=64, layout="tiled"))
    plan = make_plan(job, scene)
    (share,) = plan.deal(1)
    assert share == list(range(len(plan.windows)))[::-1]
    assert plan.kept_nbytes(share) < plan.kept_nbytes(share[::-1])


@settings(max_examples=30)
@given(st.lists(places, min_size=1, max_size=3), places)
@pytest.mark.usefixtures("reads")
def test_bounds_show_the_same_pixels(where, crop):
    products = [product(str(number), *place) for number, place in enumerate(where)]
    whole = lay_out(products)
    window = Window(*crop).overlap(Window(0, 0, whole.grid.width, whole.grid.height))
    if window is None:
        return
    x, dx, _, y, _, dy = whole.grid.part(window).transform
    bounds = (x, y + window.height * dy, x + window.width * dx, y)
    part = lay_out(products, bounds, "EPSG:32632")
    assert (part.grid.width, part.grid.height) == (window.width, window.height)
    np.testing.assert_array_equal(render_all(part)[0], render_all(whole)[0][window.slices])


@settings(max_examples=60)
@given(places, st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_cells_cover_what_shows_exactly_once(place, edge):
    scene = lay_out([product("0", *place), product("1", 0, 0, 100, 100)])
    window = Window(0, 0, scene.grid.width, scene.grid.height)
    member = scene.members[0]
    covered = np.zeros((member.product.grid.height, member.product.grid.width), dtype=int)
    for cell in cells(member, scene.grid, edge, window):
        covered[cell.source.slices] += 1
        assert cell.target == cell.source.moved(member.col_off, member.row_off)
    assert (covered == 1).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({0: 2.5}, r"1: begins at column 0\.250, row 0\.000 of the grid of 0, between its pixels"),
        ({3: -5.0}, r"column 0\.000, row 0\.500"),
        ({1: 10.0}, "1: pixels of 20 x 10, unlike 10 x 10 of 0"),
    ],
)
def test_what_is_off_the_grid_is_refused_with_the_numbers(change, words):
    x, dx, a, y, b, dy = (number + change.get(i, 0) for i, number in enumerate(TRANSFORM))
    first = product("0", 0, 0, 50, 50)
    other = Product("1", first.bands, Grid(first.grid.crs, (x, dx, a, y, b, dy), 50, 50), (50, 50))
    with pytest.raises(InputError, match=words):
        lay_out([first, other])


def test_without_a_crs_there_are_no_bounds():
    first = product("0", 0, 0, 50, 50)
    nowhere = Product("0", first.bands, Grid("", TRANSFORM, 50, 50), (50, 50))
    with pytest.raises(UsageError, match="--bounds: 0 has no coordinate reference system"):
        lay_out([nowhere], (0, 0, 1, 1))


def test_a_warped_grid_begins_at_a_multiple_of_its_resolution():
    options = SimpleNamespace(crs="EPSG:2056", resolution=25.0, resampling="cubic")
    scene = warp_out(
        [product("0", 0, 0, 200, 100)], **vars(options), bounds=None, bounds_crs="", step=64
    )
    x, dx, _, y, _, dy = scene.grid.transform
    assert (dx, dy) == (25, -25)
    assert (x % 25, y % 25) == (0, 0)
    assert osr.SpatialReference(scene.grid.crs).GetAuthorityCode(None) == "2056"
    # 2 km by 1 km, turned by about a degree.
    assert 80 <= scene.grid.width <= 84
    assert 40 <= scene.grid.height <= 43


def test_bounds_in_a_gap_of_a_warped_scene_are_refused():
    apart = [product("0", 0, 0, 100, 100), product("1", 2000, 0, 100, 100)]
    x, _, _, y, _, _ = TRANSFORM
    bounds = (x + 9_000, y - 500, x + 9_500, y - 100)
    with pytest.raises(UsageError, match="show nothing of the input"):
        warp_out(
            apart,
            crs="EPSG:32632",
            resolution=10.0,
            resampling="nearest",
            bounds=bounds,
            bounds_crs="EPSG:32632",
            step=64,
        )
