"""Dates of one scene: what is the same in all of them, and what is not."""

import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from opened import open_product
from s2rgb_mpi.testing.dates import write_dates
from s2rgb_mpi.testing.eopf import write_eopf
from s2rgb_mpi.testing.safe import read_dn, read_scl

SCENE: dict[str, Any] = {"width": 300, "height": 260, "texture": "synthetic"}
COUNT = 5
CLOUDY = (3, 8, 9, 10)


@pytest.fixture(scope="module")
def dates(tmp_path_factory):
    return write_dates(tmp_path_factory.mktemp("dates"), COUNT, tile=128, **SCENE)


@pytest.fixture(scope="module")
def classes(dates):
    """SCL, shape (dates, rows, cols)."""
    return np.stack([read_scl(product) for product in dates.products])


def reflectance(product):
    """Return reflectance, NaN where there is no data, and whether there is an offset."""
    offset = ET.parse(product / "MTD_MSIL2A.xml").getroot().findtext(".//BOA_ADD_OFFSET")
    dn = read_dn(product).astype(float)
    return np.where(dn == 0, np.nan, dn + int(offset or 0)) / 10_000, offset is not None


def test_every_pixel_is_clear_on_no_date_on_some_or_on_all(classes):
    clear = (~np.isin(classes, CLOUDY)).sum(axis=0)
    shares = np.bincount(clear.ravel(), minlength=COUNT + 1) / clear.size
    assert (shares[[0, COUNT - 1, COUNT]] > 0.005).all()
    assert shares[1:COUNT].sum() > 0.4


def test_all_classes_occur_and_those_of_land_stay(classes):
    assert set(np.unique(classes)) == {0, 2, 3, 4, 5, 6, 8, 9, 10, 11}
    land = np.ma.masked_where(np.isin(classes, (0, *CLOUDY)), classes)
    assert np.array_equal(land.min(axis=0).filled(0), land.max(axis=0).filled(0))


def test_clouds_move_and_some_fog_stays(classes):
    cloudy = np.isin(classes, CLOUDY)
    assert (cloudy.mean(axis=(1, 2)) > 0.15).all()
    for one, next_one in pairwise(cloudy):
        assert (one & next_one).sum() < 0.5 * one.sum()
    assert cloudy.all(axis=0).any()


def test_baselines_with_and_without_offset_show_the_same_land(dates, classes):
    first, _ = reflectance(dates.products[0])
    second, has_offset = reflectance(dates.products[1])
    assert not has_offset
    clear = ~np.isin(classes[:2], (0, *CLOUDY)).any(axis=0)
    at_10_m = np.kron(clear, np.ones((2, 2), bool))
    ratio = second[at_10_m] / first[at_10_m]
    assert np.median(ratio) == pytest.approx(0.9, abs=0.01), "a lower sun"


def test_no_two_dates_have_the_same_pixels(dates):
    values = [reflectance(product)[0] for product in dates.products]
    for number, one in enumerate(values):
        for other in values[:number]:
            assert (one == other).mean() < 0.05


def test_the_truth_is_the_first_date_without_clouds(dates, classes):
    truth, first = read_dn(dates.truth), read_dn(dates.products[0])
    assert truth.all(), "no edge of the swath"
    clear = ~np.isin(classes[0], (0, *CLOUDY))
    at_10_m = np.kron(clear, np.ones((2, 2), bool))
    assert np.array_equal(truth[at_10_m], first[at_10_m])
    assert not np.isin(read_scl(dates.truth), (0, *CLOUDY)).any()
    assert dates.truth.parent.name == "truth"


def test_swath_edges_differ(dates):
    outside = [(read_dn(product) == 0).mean() for product in dates.products]
    assert outside == pytest.approx([0.05, 0.025, 0.05, 0.025, 0.05], abs=0.005)


def test_days_are_not_in_order(dates):
    days = [open_product(str(product)).sensing_time[:10] for product in dates.products]
    assert days == ["2022-06-13", "2020-06-18", "2022-06-23", "2022-06-28", "2022-07-03"]


def test_stores(tmp_path):
    options = SCENE | {"width": 120, "height": 60}
    dates = write_dates(tmp_path, 2, write=write_eopf, layout="v2", **options)
    days = [open_product(str(product)).sensing_time[:10] for product in dates.products]
    assert days == ["2022-06-13", "2020-06-18"]
    assert all((product / "conditions/mask").is_dir() for product in dates.products)


def test_no_dates_are_refused(tmp_path):
    with pytest.raises(ValueError, match="0 dates are none"):
        write_dates(tmp_path, 0, **SCENE)
    assert not any(tmp_path.iterdir())
