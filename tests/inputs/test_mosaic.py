"""Products in their places: every pixel is that of the product that the rule says."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from osgeo import osr

from geotiffs import TRANSFORM, make_grid
from s2rgb_mpi.errors import InputError, PlanError, UsageError
from s2rgb_mpi.grid import Grid, Window
from s2rgb_mpi.image.profile import Profile
from s2rgb_mpi.image.radiometry import Calibration
from s2rgb_mpi.inputs.mosaic import chunks, lay_out
from s2rgb_mpi.inputs.product import Band, Product
from s2rgb_mpi.inputs.warp.onto_grid import lay_out_resampled
from s2rgb_mpi.inputs.warp.web_tiles import CRS, WebTiles
from s2rgb_mpi.plan.deal import deal, kept_nbytes
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.plan import make_plan
from s2rgb_mpi.ranks import parts, render
from s2rgb_mpi.timing import Tally

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

        def cut(self, chunk, wanted):
            seen.append((self.number, chunk))
            return [[self.dn[part.slices]] * 3 for part in wanted]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "Source", Pixels)
        yield seen


def render_all(scene):
    """Render a scene window by window, in the order of the plan, as one worker does."""
    job = Job(("0",), Path("rgb.tif"), window=64, profile=Profile(tile=64, layout="tiled"))
    plan = make_plan(job, scene)
    image = np.zeros((scene.grid.height, scene.grid.width), dtype=np.uint8)
    renderer = render.Renderer(plan, range(len(plan.windows)), Tally("worker"))
    for number, window in enumerate(plan.windows):
        image[window.slices] = renderer.render(number).rgba[..., 0]
    return image, plan


def painted(scene):
    """Paint a scene from the bottom up, without windows or chunks."""
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
    job = Job(("0",), Path("rgb.tif"), window=64, profile=Profile(tile=64, layout="tiled"))
    plan = make_plan(job, scene)
    for share in deal(plan, workers):
        renderer = render.Renderer(plan, share, Tally("worker"))
        most = 0
        for place, number in enumerate(share):
            renderer.render(number)
            needed = {patch.member for n in share[place:] for patch in plan.patches(n)}
            assert renderer._parts._sources.keys() <= needed  # noqa: SLF001  others are closed
            kept = renderer._parts._kept.values()  # noqa: SLF001  nothing else tells its size
            most = max(most, sum(array.nbytes for part in kept for array in part))
        assert most <= kept_nbytes(plan, share)
        if len(where) == 1:  # nothing hides a chunk, so that it would not be read
            assert most == kept_nbytes(plan, share)
        assert not renderer._parts._kept  # noqa: SLF001


def test_a_share_is_walked_from_the_end_that_keeps_less():
    """The second product's chunks begin near the end of windows: their short parts are kept."""
    scene = lay_out([product("0", 0, 0, 64, 64), product("1", 124, 0, 512, 64)])
    job = Job(("0",), Path("rgb.tif"), window=64, profile=Profile(tile=64, layout="tiled"))
    plan = make_plan(job, scene)
    (share,) = deal(plan, 1)
    assert share == list(range(len(plan.windows)))[::-1]
    assert kept_nbytes(plan, share) < kept_nbytes(plan, share[::-1])


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
def test_chunks_cover_a_window_exactly_once(place, edge):
    col, row, width, height = place
    limits = Window(0, 0, 200, 200)
    window = Window(abs(col), abs(row), width, height).overlap(limits)
    if window is None:
        return
    covered = np.zeros((200, 200), dtype=int)
    for chunk in chunks(window, edge, limits):
        covered[chunk.slices] += 1
        assert chunk.overlap(window) is not None
    assert (covered[window.slices] == 1).all()
    assert covered.max() == 1


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


LOCAL = 'LOCAL_CS["a building site",UNIT["metre",1]]'


@pytest.mark.parametrize("crs", [LOCAL, "EPSG:5773", "EPSG:4978"])
def test_a_crs_that_places_no_pixels_on_the_globe_is_refused(crs):
    """Local coordinates, heights, and the axes through the centre of the earth."""
    words = "is neither a geographic nor a projected CRS$"
    granule = product("granule", 0, 0, 64, 64)
    for options in ({"crs": crs}, {"bounds": (0, 0, 1, 1), "bounds_crs": crs}):
        with pytest.raises(UsageError, match=f"^--{next(iter(options))}.*{words}"):
            lay_warped([granule], **{"resolution": 10.0, **options})
    site = replace(granule, grid=replace(granule.grid, crs=LOCAL))
    with pytest.raises(UsageError, match=f"^--crs: granule: a building site {words}"):
        lay_warped([site], crs="EPSG:3857", resolution=10.0)
    with pytest.raises(UsageError, match=f"^--bounds: granule: a building site {words}"):
        lay_out([site], (0, 0, 1, 1))
    assert lay_out([site]).grid == site.grid


MOON = """GEOGCS["Moon 2000",DATUM["D_Moon_2000",SPHEROID["Moon_2000_IAU_IAG",1737400,0]],
PRIMEM["Reference_Meridian",0],UNIT["degree",0.0174532925199433]]"""


def test_the_crs_of_another_celestial_body_is_refused():
    granule = product("granule", 0, 0, 64, 64)
    with pytest.raises(UsageError, match=r"no coordinate operation from WGS 84 to Moon 2000$"):
        lay_warped([granule], crs=MOON, resolution=0.001)


def test_a_warped_grid_begins_at_a_multiple_of_its_resolution():
    options = SimpleNamespace(crs="EPSG:2056", resolution=25.0, resampling="cubic")
    scene = lay_out_resampled(
        [product("0", 0, 0, 200, 100)], **vars(options), bounds=None, bounds_crs="", step=64
    )
    x, dx, _, y, _, dy = scene.grid.transform
    assert (dx, dy) == (25, -25)
    assert (x % 25, y % 25) == (0, 0)
    assert osr.SpatialReference(scene.grid.crs).GetAuthorityCode(None) == "2056"
    # 2 km by 1 km, turned by about a degree.
    assert 80 <= scene.grid.width <= 84
    assert 40 <= scene.grid.height <= 43


def lay_warped(products, **options):
    """Lay products on another grid; options are those of the command line."""
    defaults = {"crs": None, "resolution": None, "bounds": None, "bounds_crs": "EPSG:4326"}
    return lay_out_resampled(products, **defaults | options, resampling="nearest", step=64)


def placed(name, crs, transform, width=512, height=512):
    """Make a product anywhere."""
    reference = osr.SpatialReference()
    reference.SetFromUserInput(crs)
    grid = Grid(reference.ExportToWkt(), transform, width, height)
    return Product(name, product("0", 0, 0, 1, 1).bands, grid, (64, 64))


FIJI = [
    placed("west", "EPSG:32760", (816_000.0, 10.0, 0.0, 8_120_000.0, 0.0, -10.0)),
    placed("east", "EPSG:32701", (178_900.0, 10.0, 0.0, 8_120_000.0, 0.0, -10.0)),
]
"""Both lie on both sides of the antimeridian."""

ACROSS = (179.98, -17.02, -179.99, -17.0)


@pytest.mark.parametrize("products", [FIJI, FIJI[:1]])
@pytest.mark.parametrize(
    ("crs", "resolution"),
    [("EPSG:4326", 0.0001), ("EPSG:4326", None), ("EPSG:3857", None), ("ESRI:54009", None)],
)
def test_a_crs_that_breaks_between_products_is_refused_with_what_works(products, crs, resolution):
    with pytest.raises(UsageError) as caught:
        lay_warped(products, crs=crs, resolution=resolution)
    words = str(caught.value)
    assert words.startswith(f"{crs} breaks at the antimeridian, 180 degrees, and the input lies on")
    assert "such as EPSG:3832 or EPSG:32760, or make one image of each side: --bounds" in words
    west, south, east, north, *other = map(float, re.findall(r"-?\d+\.?\d*", words)[-8:])
    assert 179.9 < west < east == 180
    assert -180 == other[0] < other[2] < -179.9
    assert (south, north) == (other[1], other[3])
    assert -17.05 < south < -17.02 < north == -16.98


@pytest.mark.parametrize("crs", ["EPSG:3832", "EPSG:32760", "EPSG:32701"])
def test_a_crs_that_is_whole_there_is_taken(crs):
    scene = lay_warped(FIJI, crs=crs)
    assert 500 < scene.grid.height < 600
    assert 600 < scene.grid.width < 800
    assert len(scene.members) == 2


@pytest.mark.parametrize(
    ("crs", "resolution", "degree"),
    [
        ("EPSG:4326", 0.0001, 10_000),
        ("EPSG:3857", 10.0, 11_131.949),
        ("EPSG:3832", 10.0, 11_131.949),
        ("EPSG:32760", 10.0, 10_640),  # cos 17 degrees, and the scale at the edge of a zone
    ],
)
@pytest.mark.parametrize("bounds", [ACROSS, (179.98, -17.02, 180.01, -17.0)])
def test_bounds_may_cross_the_antimeridian(crs, resolution, degree, bounds):
    scene = lay_warped(FIJI, crs=crs, resolution=resolution, bounds=bounds)
    # 0.03 by 0.02 degrees; upright, or turned by a little.
    assert scene.grid.width == pytest.approx(0.03 * degree, abs=12)
    if crs != "EPSG:32760":
        assert scene.grid.width == pytest.approx(0.03 * degree, abs=2)
    assert 0.02 * 10_000 <= scene.grid.height < 0.02 * 11_800
    assert len(scene.members) == 2
    x = scene.grid.transform[0]
    assert crs != "EPSG:4326" or x == pytest.approx(179.98, abs=1e-4)
    assert crs != "EPSG:3857" or x == pytest.approx(179.98 * 111_319.49, abs=10)


@pytest.mark.parametrize(
    ("bounds", "west", "east"),
    [((179.9, -17.1, 180, -16.9), 179.967, 180.0), ((-180, -17.1, -179.9, -16.9), -180, -179.967)],
)
def test_one_side_of_the_antimeridian_is_an_image(bounds, west, east):
    scene = lay_warped(FIJI, crs="EPSG:4326", resolution=0.0001, bounds=bounds)
    x, dx = scene.grid.transform[:2]
    assert (x, x + scene.grid.width * dx) == pytest.approx((west, east), abs=3e-3)
    assert len(scene.members) == 2


def test_bounds_across_the_antimeridian_crop_the_products_own_grid():
    scene = lay_out(FIJI[:1], ACROSS)
    whole = FIJI[0].grid
    degrees, own = osr.SpatialReference(), osr.SpatialReference(whole.crs)
    degrees.ImportFromEPSG(4326)
    degrees.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    to_own = osr.CoordinateTransformation(degrees, own)
    places = [to_own.TransformPoint(x, y) for x in (179.98, -179.99) for y in (-17.02, -17.0)]
    x, dx, _, y, _, dy = scene.grid.transform
    cols = [(east - x) / dx for east, _, _ in places]
    rows = [(north - y) / dy for _, north, _ in places]
    assert 0 <= min(cols) < 1
    assert max(cols) <= scene.grid.width < max(cols) + 1
    assert 0 <= min(rows) < 1
    assert max(rows) <= scene.grid.height < max(rows) + 1


@pytest.mark.parametrize(
    ("bounds", "crs"),
    [
        ((9.0, 46.0, 8.0, 47.0), "EPSG:4326"),
        ((500_000.0, 5_200_000.0, 400_000.0, 5_300_000.0), "EPSG:32632"),
        ((7.0, 46.0, 8.0, 97.0), "EPSG:4326"),
    ],
)
@pytest.mark.parametrize("lay", [lay_out, lay_warped])
def test_bounds_in_the_wrong_order_are_refused(lay, bounds, crs):
    options = {} if lay is lay_out else {"resolution": 20.0}
    with pytest.raises(UsageError, match="must be west, south, east, north"):
        lay([product("0", 0, 0, 50, 50)], bounds=bounds, bounds_crs=crs, **options)


@pytest.mark.parametrize("lay", [lay_out, lay_warped])
def test_bounds_in_metres_need_their_crs(lay):
    options = {} if lay is lay_out else {"resolution": 20.0}
    words = (
        "in degrees, as EPSG:4326 ends at the poles; for metres, --bounds-crs names their CRS,"
        " such as EPSG:32632"
    )
    with pytest.raises(UsageError, match=words):
        lay([product("0", 0, 0, 50, 50)], bounds=(4e5, 5.27e6, 4.1e5, 5.28e6), **options)


@pytest.mark.parametrize(
    ("bounds", "crs"),
    [((47.5, 7.5, 48.5, 8.5), "EPSG:4326"), ((1e6, 2e6, 2e6, 3e6), "EPSG:2056")],
)
@pytest.mark.parametrize("lay", [lay_out, lay_warped])
def test_bounds_beside_the_input_are_refused_with_those_of_the_input(lay, bounds, crs):
    """As where latitude and longitude were swapped."""
    options = {} if lay is lay_out else {"resolution": 20.0}
    products = [product("0", 0, 0, 100, 100), product("1", 400, 0, 100, 50)]
    with pytest.raises(UsageError) as caught:
        lay(products, bounds=bounds, bounds_crs=crs, **options)
    words, _, extent = str(caught.value).rpartition(f"; in {crs} its bounds are ")
    assert words == f"--bounds {' '.join(map(str, bounds))}: nothing of the input lies there"
    own, other = osr.SpatialReference(), osr.SpatialReference()
    own.ImportFromWkt(products[0].grid.crs)
    other.SetFromUserInput(crs)
    for each in (own, other):
        each.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    move = osr.CoordinateTransformation(own, other)
    x, _, _, y, _, _ = products[0].grid.transform
    corners = [move.TransformPoint(x + dx, y - dy) for dx in (0, 5000) for dy in (0, 1000)]
    xs, ys, _ = zip(*corners, strict=True)
    near = 1e-3 if crs == "EPSG:4326" else 80.0  # two corners of the four are not covered
    expected = min(xs), min(ys), max(xs), max(ys)
    assert [float(each) for each in extent.split()] == pytest.approx(expected, abs=near)


def test_the_bounds_of_an_input_across_the_antimeridian_are_as_they_may_be_given():
    with pytest.raises(UsageError) as caught:
        lay_warped(FIJI, crs="EPSG:3832", resolution=10.0, bounds=(0, 0, 1, 1))
    extent = str(caught.value).rpartition(" its bounds are ")[2]
    west, south, east, north = map(float, extent.split())
    assert 179 < west < 180
    assert -180 < east < -179
    scene = lay_warped(FIJI, crs="EPSG:3832", resolution=10.0, bounds=(west, south, east, north))
    assert len(scene.members) == len(FIJI)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("2056", "a number alone is no CRS; a code of EPSG is written EPSG:2056"),
        ("LV95", "not a known CRS; give its code, such as EPSG:2056, a PROJ string or WKT"),
        ("EPSG:99999", "not a known CRS; give its code, such as EPSG:2056, a PROJ string or WKT"),
        ("+proj=nope", "PROJ: .*"),
    ],
)
def test_an_unknown_crs_is_refused_with_what_to_give(name, words):
    granule = product("granule", 0, 0, 64, 64)
    for options in ({"crs": name}, {"bounds": (0, 0, 1, 1), "bounds_crs": name}):
        option = f"--{[*options][-1].replace('_', '-')}"
        with pytest.raises(UsageError, match=f"^{re.escape(f'{option} {name}')}: {words}$"):
            lay_warped([granule], resolution=10.0, **options)


def test_rasters_in_degrees_on_both_sides_of_the_antimeridian_are_refused():
    west = placed("west", "EPSG:4326", (179.99, 0.0001, 0.0, -17.0, 0.0, -0.0001), 100, 100)
    east = placed("east", "EPSG:4326", (-180.0, 0.0001, 0.0, -17.0, 0.0, -0.0001), 100, 100)
    for lay in (lay_out, lambda products: lay_warped(products, resolution=0.0002)):
        with pytest.raises(UsageError, match="breaks at the antimeridian"):
            lay([west, east])


def test_rasters_of_web_maps_on_both_sides_of_the_antimeridian_are_refused():
    edge = np.pi * 6378137
    sides = [
        placed(str(x), "EPSG:3857", (x, 10.0, 0.0, -1.9e6, 0.0, -10.0), 10_000, 10_000)
        for x in (edge - 100_000, edge - 100_000 - 39_990_000)
    ]
    with pytest.raises(UsageError, match=r"the CRS of .* breaks at the antimeridian"):
        lay_out(sides)


def test_a_raster_in_degrees_may_continue_beyond_the_antimeridian():
    raster = placed("one", "EPSG:4326", (179.98, 0.0001, 0.0, -17.0, 0.0, -0.0001), 400, 100)
    assert lay_out([raster]).grid == raster.grid
    scene = lay_warped([raster], resolution=0.0002)
    assert (scene.grid.width, scene.grid.height) == (200, 50)
    assert lay_out([raster], (179.99, -17.01, -179.99, -17.0)).grid == raster.grid.part(
        Window(100, 0, 200, 100)
    )


def test_the_pole_is_a_place_like_any_other_where_the_crs_is_whole():
    pole = placed("pole", "EPSG:3413", (-5000.0, 10.0, 0.0, 5000.0, 0.0, -10.0), 1000, 1000)
    scene = lay_warped([pole], crs="EPSG:3995")
    # Turned by 45 degrees, and true to scale at 71 degrees in place of 70.
    assert scene.grid.width == pytest.approx(1000 * 2**0.5 * 1.0029, abs=2)
    for crs in ("EPSG:4326", "EPSG:3857"):
        with pytest.raises(UsageError, match="breaks at the antimeridian") as caught:
            lay_warped([pole], crs=crs)
        assert "such as EPSG:3413," in str(caught.value)


def small_plan(scene):
    return make_plan(Job(("0",), Path("rgb.tif")), scene)


def test_an_image_out_of_all_proportion_is_refused_with_its_size():
    apart = [
        placed(str(north), "EPSG:32632", (400_000.0, 10.0, 0.0, north, 0.0, -10.0), 5000, 5000)
        for north in (100_000.0, 9_000_000.0)
    ]
    small_plan(lay_out(apart))  # 95 times as many pixels
    tiles = WebTiles(24, 256)
    wide = placed("wide", "EPSG:32632", (400_000.0 + 5e8, 10.0, 0.0, 9e6, 0.0, -10.0), 5000, 5000)
    for scene, option in (
        (lay_out([apart[0], wide]), "--crs, --resolution"),
        (lay_warped(apart[:1], crs="EPSG:2056", resolution=0.01), "--crs, --resolution"),
        (lay_warped(apart[:1], crs=CRS, resolution=tiles.resolution, tiles=tiles), "--zoom"),
    ):
        said = rf"would have \d+ x \d+ pixels, \d+ times as many as its input; look at {option} "
        with pytest.raises(PlanError, match=said):
            small_plan(scene)


def test_small_images_may_have_little_in_them():
    """A pixel here and a pixel there."""
    apart = [product("0", 0, 0, 1, 1), product("1", 20_000, 9_000, 1, 1)]
    assert small_plan(lay_out(apart)).grid.pixels == 20_001 * 9_001


def test_a_resolution_in_other_units_than_meant_is_refused():
    with pytest.raises(
        UsageError, match=r"--resolution 10: in degrees that is as long as 11\d{4} p"
    ):
        lay_warped([product("0", 0, 0, 50, 50)], crs="EPSG:4326", resolution=10.0)


def test_pixels_in_degrees_are_as_many_along_each_edge_as_they_are_long():
    scene = lay_warped([product("0", 0, 0, 50, 50)], crs="EPSG:4326", resolution=0.0005)
    warp = scene.members[0].product.warp
    east, north = 10 / 111_320 / 0.0005, 10 / 111_180 / 0.0005
    assert warp.scale == pytest.approx((east / np.cos(np.radians(47.83)), north), rel=2e-3)


def test_bounds_in_another_datum_are_where_they_are():
    """A square of 30 m, in Swiss coordinates, where GDAL takes a ballpark operation."""
    german = placed("german", "EPSG:32632", (400_000.0, 10.0, 0.0, 5_400_000.0, 0.0, -10.0))
    shift = "+proj=helmert +x=-674.374 +y=-15.056 +z=-405.346"
    operation = osr.CoordinateTransformationOptions()
    operation.SetOperation(
        f"+proj=pipeline +step +inv +proj=utm +zone=32 +ellps=WGS84 +step +proj=cart +ellps=WGS84"
        f" +step {shift} +step +inv +proj=cart +ellps=bessel +step +proj=somerc"
        " +lat_0=46.9524055555556 +lon_0=7.43958333333333 +x_0=2600000 +y_0=1200000 +ellps=bessel"
    )
    swiss = osr.SpatialReference()
    swiss.ImportFromEPSG(2056)
    to_swiss = osr.CoordinateTransformation(osr.SpatialReference(german.grid.crs), swiss, operation)
    x, y, _ = to_swiss.TransformPoint(402_005.0, 5_398_995.0)  # the middle of column 200, row 100
    scene = lay_out([german], (x - 15, y - 15, x + 15, y + 15), "EPSG:2056")
    assert scene.grid.transform[0] == pytest.approx(401_990, abs=10)
    assert scene.grid.transform[3] == pytest.approx(5_399_010, abs=10)
    assert max(scene.grid.width, scene.grid.height) <= 5


@pytest.mark.parametrize("lay", [lay_out, lay_warped])
def test_bounds_of_an_unknown_datum_are_a_warning(lay):
    options = {} if lay is lay_out else {"resolution": 20.0}
    crs = "+proj=longlat +ellps=intl"
    scene = lay([product("0", 0, 0, 200, 200)], bounds=(7, 47, 8, 48), bounds_crs=crs, **options)
    (warning,) = scene.warnings
    assert warning.startswith(f"--bounds-crs {crs}: PROJ knows no operation that leads there but a")


def test_bounds_in_a_gap_of_a_warped_scene_are_refused():
    apart = [product("0", 0, 0, 100, 100), product("1", 2000, 0, 100, 100)]
    x, _, _, y, _, _ = TRANSFORM
    bounds = (x + 9_000, y - 500, x + 9_500, y - 100)
    with pytest.raises(
        UsageError, match=r": nothing of the input lies there; in EPSG:32632 its bounds are \d+ "
    ):
        lay_out_resampled(
            apart,
            crs="EPSG:32632",
            resolution=10.0,
            resampling="nearest",
            bounds=bounds,
            bounds_crs="EPSG:32632",
            step=64,
        )
