"""Several dates become one image without clouds: every pixel as the reference has it."""

import numpy as np
import pytest
from osgeo import gdal

import composite
import reference
from altered import edit
from composite import Observation, at_10_m, cloudy, observe
from conftest import DATE_OFFSETS, DATES, SMALL, read_rgb
from s2rgb_mpi.testing.dates import write_dates
from s2rgb_mpi.testing.eopf import write_eopf
from s2rgb_mpi.testing.safe import read_dn, read_scl

EAST, SOUTH = 200, 100
"""From the first granule of the mosaic to the second, pixels of 10 m."""


@pytest.fixture(scope="module")
def observed(dates):
    """What the reference needs of them: DN, offset and classes."""
    return [
        (read_dn(product), offset or 0, read_scl(product))
        for product, offset in zip(dates, DATE_OFFSETS, strict=True)
    ]


@pytest.fixture(scope="module")
def expected(observed):
    """The observations, without a buffer."""
    return [observe(*each) for each in observed]


@pytest.fixture
def made(mpirun, tmp_path):
    """The function that runs the program; it returns the image."""

    def run(ranks, *arguments):
        output = tmp_path / f"{ranks}.tif"
        result = mpirun(ranks, *arguments, "-o", output, *SMALL)
        assert result.returncode == 0, result.stderr
        return read_rgb(output)

    return run


def read_map(path):
    return gdal.Open(str(path)).ReadAsArray()


def test_the_dates_have_every_case(expected):
    """Pixels that are clear nowhere, once and everywhere; valid in some; 2 and 3 of 4 clear."""
    clear = np.sum([date.clear for date in expected], axis=0)
    assert set(np.unique(clear)) == {0, 1, 2, 3, 4}
    valid = np.sum([date.valid for date in expected], axis=0)
    assert {0, 2, 4} <= set(np.unique(valid))
    assert ((clear == 0) & (valid > 0)).sum() > 1000


@pytest.mark.parametrize("ranks", [1, 3, 6])
@pytest.mark.parametrize("clouds", ["avoid", "drop"])
def test_the_first_clear_date_wins(made, *, dates, expected, tmp_path, clouds, ranks):
    source_map = tmp_path / "sources.tif"
    found = made(ranks, *dates, "--clouds", clouds, "--source-map", source_map)
    image, source = composite.first(expected, drop=clouds == "drop")
    np.testing.assert_array_equal(read_map(source_map), source)
    np.testing.assert_array_equal(found, image)
    assert set(np.unique(source)) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("clouds", ["avoid", "drop"])
@pytest.mark.parametrize(("count", "ranks"), [(3, 3), (4, 1), (4, 3), (4, 6)])
def test_the_median_of_clear_dates(made, *, dates, expected, clouds, ranks, count):
    found = made(ranks, *dates[:count], "--clouds", clouds, "--composite", "median")
    image = composite.median(expected[:count], drop=clouds == "drop")
    np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize("ranks", [1, 4])
def test_the_median_of_all_dates(made, dates, expected, ranks):
    found = made(ranks, *dates, "--composite", "median")
    np.testing.assert_array_equal(found, composite.median(expected, keep=True))


def test_the_median_of_dn_would_be_another(expected):
    """DN of baselines without offset are 1000 smaller: their median is mostly theirs."""
    without = [date._replace(offset=0) for date in expected]
    image = composite.median(without)
    assert (image != composite.median(expected)).mean() > 0.5


@pytest.mark.parametrize("composite_of", ["first", "median"])
@pytest.mark.parametrize(
    ("buffer", "classes"), [(20, "3,8,9,10"), (50, "shadow,cloud"), (200, "9"), (0, "strict")]
)
def test_buffers_and_classes(made, *, dates, observed, buffer, classes, composite_of):
    numbers = {"shadow,cloud": (3, 8, 9), "strict": (1, 3, 7, 8, 9, 10)}
    chosen = numbers.get(classes) or tuple(map(int, classes.split(",")))
    options = ("--clouds", "drop", "--cloud-buffer", buffer, "--cloud-classes", classes)
    found = made(3, *dates, *options, "--composite", composite_of)
    seen = [
        Observation(dn, offset, at_10_m(cloudy(scl, chosen, buffer), dn.shape))
        for dn, offset, scl in observed
    ]
    image = (
        composite.first(seen, drop=True)[0]
        if composite_of == "first"
        else composite.median(seen, drop=True)
    )
    np.testing.assert_array_equal(found, image)


def test_a_buffer_finds_the_rims_that_the_classification_misses(made, dates):
    """Without one, darkened and brightened pixels are seen; with it, only clouds too small."""
    truth = read_dn(next(dates[0].parent.glob("truth/*.SAFE")))
    clean = reference.rgb(truth, offset=-1000).astype(int)
    far = []
    for buffer in (0, 80):
        options = ("--clouds", "drop", "--cloud-buffer", buffer, "--overwrite")
        found = made(2, dates[0], *options).astype(int)
        there = found.any(axis=2)
        far.append((np.abs(found - clean).max(axis=2) > 1)[there].mean())
    assert far[0] > 0.02
    assert far[1] < far[0] / 5


@pytest.mark.parametrize(
    ("options", "order"),
    [(["--order", "date"], [3, 2, 0, 1]), (["--order", "clear"], None), ([], [0, 1, 2, 3])],
    ids=str,
)
def test_orders(made, *, dates, expected, tmp_path, options, order):
    """The newest first, or the one with the most clear pixels among its valid ones."""
    if order is None:
        shares = [date.clear.sum() / date.valid.sum() for date in expected]
        order = sorted(range(4), key=lambda number: -shares[number])
        assert order != [0, 1, 2, 3]
    source_map = tmp_path / "sources.tif"
    found = made(2, *dates, "--clouds", "avoid", *options, "--source-map", source_map)
    image, source = composite.first([expected[number] for number in order])
    np.testing.assert_array_equal(read_map(source_map), source)
    np.testing.assert_array_equal(found, image)


def test_products_with_more_clouds_are_left_out(made, dates, expected, observed):
    counts = [np.bincount(scl.ravel(), minlength=12) for _, _, scl in observed]
    covers = [100 * count[8:11].sum() / count[1:].sum() for count in counts]
    most = np.median(covers)
    kept = [date for date, cover in zip(expected, covers, strict=True) if cover <= most]
    assert len(kept) == 2
    found = made(3, *dates, "--clouds", "avoid", "--max-cloud", most)
    np.testing.assert_array_equal(found, composite.first(kept)[0])


def warped(values, like, resampling):
    """Warp bands on the grid of the products onto that of an image, as gdalwarp does."""
    dataset = gdal.Open(str(like))
    x, dx, _, y, _, dy = dataset.GetGeoTransform()
    width, height = dataset.RasterXSize, dataset.RasterYSize
    source = gdal.GetDriverByName("MEM").Create("", 611, 389, len(values), gdal.GDT_UInt16)
    source.SetGeoTransform((399960, 10, 0, 5300040, 0, -10))
    source.SetProjection("EPSG:32632")
    for number, band in enumerate(values, 1):
        source.GetRasterBand(number).WriteArray(band)
    options = ["-of", "MEM", "-et", "0", "-r", resampling, "-t_srs", "EPSG:2056"]
    options += ["-srcnodata", "0", "-dstnodata", "0", "-wo", "UNIFIED_SRC_NODATA=NO"]
    options += ["-te", *map(str, (x, y + height * dy, x + width * dx, y))]
    options += ["-ts", str(width), str(height), "-to", "AREA_OF_INTEREST=7.65,47.80,7.75,47.86"]
    return np.stack(
        [
            gdal.Warp(
                "", gdal.Translate("", source, format="MEM", bandList=[number]), options=options
            ).ReadAsArray()
            for number in range(1, len(values) + 1)
        ],
        axis=-1,
    )


@pytest.mark.parametrize(
    ("resampling", "clouds", "composite_of", "buffer", "numbers"),
    [
        ("bilinear", "avoid", "first", 40, (1, 3, 6)),
        ("bilinear", "avoid", "median", 20, (1, 3, 6)),
        ("nearest", "avoid", "first", 0, (3,)),
        ("cubic", "drop", "first", 0, (6,)),
        ("nearest", "drop", "median", 0, (4,)),
    ],
)
def test_another_grid(
    made, dates, observed, tmp_path, numbers, *, resampling, clouds, composite_of, buffer
):
    """A pixel is clear where the source pixel nearest to its centre is."""
    options = ["--crs", "EPSG:2056", "--resolution", 10, "--resampling", resampling]
    options += ["--clouds", clouds, "--composite", composite_of, "--cloud-buffer", buffer]
    found = [made(ranks, *dates, *options) for ranks in numbers]
    like, near = tmp_path / f"{numbers[0]}.tif", {"nearest": "near"}.get(resampling, resampling)
    seen = []
    for dn, offset, scl in observed:
        is_cloudy = at_10_m(cloudy(scl, buffer=buffer), dn.shape)
        mask = warped([is_cloudy + 1], like, "near")[..., 0] == 2
        seen.append(Observation(warped(np.moveaxis(dn, -1, 0), like, near), offset, mask))
    drop = clouds == "drop"
    image = (
        composite.first(seen, drop=drop)[0]
        if composite_of == "first"
        else composite.median(seen, drop=drop)
    )
    for each in found:
        np.testing.assert_array_equal(each, image)


def test_coarser_pixels(made, dates, observed):
    """At 20 m each pixel has a class of its own; the DN are means of the valid ones of four."""
    options = ("--resolution", 20, "--clouds", "avoid")
    found = made(3, *dates, *options)
    seen = [
        Observation(reference.block_means(dn, 2), offset, cloudy(scl))
        for dn, offset, scl in observed
    ]
    np.testing.assert_array_equal(found, composite.first(seen)[0])


def placed(dates, height, width, south, east):
    """Put observations into a larger grid."""
    whole = []
    for dn, offset, mask in dates:
        rows, cols = mask.shape
        part = slice(south, south + rows), slice(east, east + cols)
        large = np.zeros((height, width, 3), np.uint16)
        large[part] = dn
        far = np.zeros((height, width), bool)
        far[part] = mask
        whole.append(Observation(large, offset, far))
    return whole


@pytest.fixture(scope="module")
def two_granules(tmp_path_factory):
    """Two dates of each of two granules that overlap; and what the reference needs."""
    folder = tmp_path_factory.mktemp("granules")
    small = DATES | {"width": 400, "height": 300, "nodata_fraction": 0.02}
    west = write_dates(folder / "west", 2, **small).products
    east = write_dates(folder / "east", 2, seed=7, granule="32TNT", **small).products
    for product in east:
        x, y = 399960 + 10 * EAST, 5300040 - 10 * SOUTH
        place = (r"<ULX>\d+<", f"<ULX>{x}<"), (r"<ULY>\d+<", f"<ULY>{y}<")
        edit(product, *place, file="GRANULE/*/MTD_TL.xml")
    seen = {}
    for name, products, south, at in (("west", west, 0, 0), ("east", east, SOUTH, EAST)):
        own = [
            observe(read_dn(product), offset, read_scl(product))
            for product, offset in zip(products, DATE_OFFSETS, strict=False)
        ]
        seen[name] = placed(own, 300 + SOUTH, 400 + EAST, south, at)
    order = [("west", 0), ("east", 0), ("east", 1), ("west", 1)]
    written = {"west": west, "east": east}
    return (
        [written[name][number] for name, number in order],
        [seen[name][number] for name, number in order],
    )


@pytest.mark.parametrize("ranks", [1, 3, 6])
@pytest.mark.parametrize(
    "options", [["avoid"], ["drop"], ["avoid", "--composite", "median"]], ids=str
)
def test_a_mosaic_of_granules_and_dates(made, two_granules, ranks, options):
    products, seen = two_granules
    found = made(ranks, *products, "--clouds", *options)
    if "median" in options:
        image = composite.median(seen)
    else:
        image, source = composite.first(seen, drop=options == ["drop"])
        assert set(np.unique(source)) == {0, 1, 2, 3, 4}
    np.testing.assert_array_equal(found, image)


def test_stores(made, tmp_path):
    scene = {name: DATES[name] for name in ("width", "height")} | {"texture": "synthetic"}
    safes = write_dates(tmp_path / "safe", 2, **scene).products
    stores = write_dates(tmp_path / "zarr", 2, write=write_eopf, chunk=100, **scene).products
    found = made(3, *stores, "--clouds", "avoid")
    seen = [
        observe(read_dn(product), offset, read_scl(product))
        for product, offset in zip(safes, DATE_OFFSETS, strict=False)
    ]
    np.testing.assert_array_equal(found, composite.first(seen)[0])
