"""Predictions which products a window needs: about right, and never an error."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from s2rgb_mpi.inputs.cloud_sample import needed_shares
from s2rgb_mpi.plan.deal import cut
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.prepare import prepare
from s2rgb_mpi.plan.reading import reading_order
from s2rgb_mpi.plan.work import works
from s2rgb_mpi.testing.dates import write_dates
from s2rgb_mpi.testing.eopf import write_eopf
from s2rgb_mpi.testing.safe import read_scl, write_safe
from shared import once

SIZE = 1100
CLOUDY = (3, 8, 9, 10)


def write(folder, how):
    options: dict[str, Any] = {"width": SIZE, "height": SIZE, "nodata_fraction": 0.0}
    return write_dates(folder, 3, write=how, **options).products


@pytest.fixture(scope="module")
def safes(tmp_path_factory):
    return once(tmp_path_factory, "sampled", partial(write, how=write_safe))


@pytest.fixture(scope="module", params=[write_safe, write_eopf], ids=["safe", "eopf"])
def products(request, safes, tmp_path_factory):
    if request.param is write_safe:
        return safes
    pytest.importorskip("numcodecs")
    return once(tmp_path_factory, "sampled-stores", partial(write, how=request.param))


@pytest.fixture(scope="module")
def clear(safes):
    """Where each of the same dates is clear, at 10 m."""
    classes = [read_scl(product) for product in safes]
    return [~np.isin(each.repeat(2, 0).repeat(2, 1), CLOUDY) for each in classes]


def make(products, tmp_path, **options):
    return prepare(Job(products, tmp_path / "rgb.tif", window=512, **options))


@pytest.mark.parametrize("grid", [{}, {"crs": "EPSG:2056", "resolution": 10}], ids=["own", "other"])
@pytest.mark.parametrize("clouds", ["avoid", "drop"])
def test_shares_are_about_those_of_the_pixels(products, clear, tmp_path, clouds, grid):
    plan = make(products, tmp_path, clouds=clouds, **grid)
    assert plan.needed is not None
    pixels = np.array([window.width * window.height for window in plan.windows])
    none = ~np.any(clear, axis=0)
    above = np.zeros_like(none)
    for member, here in enumerate(clear):
        expected = (here & ~above).mean()
        if clouds == "avoid" and member == 0:
            expected += none.mean()
        above |= here
        shares = [plan.needed.get((member, number), 0.0) for number in range(len(pixels))]
        found = np.dot(shares, pixels) / SIZE**2
        assert found == pytest.approx(expected, abs=0.06)


def test_a_median_takes_all_that_is_clear(products, clear, tmp_path):
    plan = make(products, tmp_path, clouds="drop", composite="median")
    pixels = np.array([window.width * window.height for window in plan.windows])
    for member, here in enumerate(clear):
        shares = [plan.needed.get((member, number), 0.0) for number in range(len(pixels))]
        assert np.dot(shares, pixels) / SIZE**2 == pytest.approx(here.mean(), abs=0.06)


def test_what_is_not_needed_costs_nothing_and_is_not_read_ahead(products, tmp_path):
    plan = make(products, tmp_path, clouds="avoid")
    last = len(plan.windows) - 1
    first = {key: 1.0 for key in plan.needed if key[0] == 0} | {(1, last): 0.01}
    plan = replace(plan, needed=first)
    decoded = {key for work in works(plan) for key in work.chunks}
    assert {member for member, _ in decoded} == {0, 1}
    assert sum(member == 1 for member, _ in decoded) == len(list(plan.sources(last))) // 3
    share = [number for each in cut(plan, 1) for number in each]
    ahead = list(reading_order(plan, share, lambda _: False))
    assert set(ahead) == decoded


def test_without_clouds_nothing_is_predicted(products, tmp_path):
    assert make(products, tmp_path).needed is None


def test_a_damaged_classification_is_taken_for_clear(products, tmp_path):
    plan = make(products, tmp_path, clouds="avoid")
    first, *others = plan.scene.members
    classification = first.product.classification
    if classification.array is not None:
        pytest.skip("its chunks are files of their own")
    damaged = tmp_path / "damaged.jp2"
    damaged.write_bytes(b"no image")
    product = replace(first.product, classification=replace(classification, path=str(damaged)))
    scene = replace(plan.scene, members=(replace(first, product=product), *others))
    shares = needed_shares(scene, plan.windows, plan.job.cloudy, keeps_cloudy=True, takes_all=False)
    assert shares == {(0, number): 1.0 for number in range(len(plan.windows))}
