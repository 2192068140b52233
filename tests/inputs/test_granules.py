"""Products of 2016 that hold several granules: a mosaic of them, or a selected one."""

import zipfile

import numpy as np
import pytest

from altered import edit, pack
from layouts import GRANULES, OLD_METADATA, granule_dn, identifier, write_granules
from opened import open_product, refusal, whole_dn
from rasters import TRANSFORM, scene, write_jp2, write_raster
from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.inputs.mosaic import lay_out
from s2rgb_mpi.inputs.open_products import open_products
from s2rgb_mpi.inputs.product import Choice
from s2rgb_mpi.plan.job import Job


@pytest.fixture
def product(tmp_path):
    """A product whose second granule lies 100 pixels east of the first, 100 of 200 shared."""
    return write_granules(tmp_path)


def test_each_granule_is_a_product_in_the_order_of_the_metadata(product):
    products = open_products(str(product))
    assert [each.name for each in products] == [identifier(tile) for tile in GRANULES]
    for each, tile in zip(products, GRANULES, strict=True):
        assert each.baseline == "02.04"
        assert each.warnings == ()
        np.testing.assert_array_equal(whole_dn(each), granule_dn(tile))


def test_they_lie_beside_each_other(product):
    laid = lay_out(open_products(str(product)))
    assert [(member.col_off, member.row_off) for member in laid.members] == [(0, 0), (100, 0)]
    assert (laid.grid.width, laid.grid.height) == (300, 150)


def test_their_metadata_of_2016_place_images_that_do_not_say_it(product):
    for tile in GRANULES:
        for layer, band in enumerate(("B04", "B03", "B02")):
            (image,) = product.glob(f"GRANULE/{identifier(tile)}/IMG_DATA/R10m/*_{band}_10m.jp2")
            write_jp2(image, granule_dn(tile)[..., layer], epsg=None)
    transforms = [each.grid.transform for each in open_products(str(product))]
    assert transforms == [TRANSFORM, (400960.0, *TRANSFORM[1:])]


def test_a_zip_of_it_is_the_same(product, tmp_path):
    archive = pack(product, tmp_path / "x.zip", compression=zipfile.ZIP_DEFLATED)
    assert [each.name for each in open_products(str(archive))] == [
        identifier(tile) for tile in GRANULES
    ]


@pytest.mark.parametrize(
    "name", ["T32TMT", "32TMT", "32tmt", identifier("32TMT"), identifier("32TMT").lower()]
)
def test_one_granule_may_be_asked_for(product, name):
    opened = open_product(str(product), Choice(granule=name))
    assert opened.name == identifier("32TMT")
    np.testing.assert_array_equal(whole_dn(opened), granule_dn("32TMT"))


@pytest.mark.parametrize("name", ["T32TMS", "TMT", "T", "", "N02.04"])
def test_an_unknown_granule_is_refused_with_those_that_there_are(product, name):
    assert refusal(product, Choice(granule=name)) == (
        f"{product}/{OLD_METADATA}: --granule {name}: no such granule; the product has"
        f" {identifier('32TNT')}, {identifier('32TMT')}"
    )


def test_a_tile_that_two_granules_have_does_not_choose(product):
    edit(product, (identifier("32TNT"), f"{identifier('32TMT')}_B"), file=OLD_METADATA)
    assert "--granule 32TMT: several have this tile; " in refusal(product, Choice(granule="32TMT"))


def test_the_granule_of_a_product_with_one_may_be_named(safe):
    assert open_product(str(safe), Choice(granule="T32TMT")) == open_product(str(safe))
    assert "no such granule" in refusal(safe, Choice(granule="T32TNT"))


def test_a_product_without_granules_is_refused(safe, tmp_path):
    (tmp_path / "MTD_MSIL2A.xml").write_text((safe / "MTD_MSIL2A.xml").read_text())
    edit(tmp_path, ("<Granule .*</Granule>", ""))
    assert refusal(tmp_path) == f"{tmp_path}/MTD_MSIL2A.xml: lists no granule"


def test_what_has_no_granules_takes_none(tmp_path):
    path = write_raster(tmp_path / "x.tif", scene(), descriptions=("B04", "B03", "B02"))
    (tmp_path / "x.json").write_text("{}")
    for name in (path, str(tmp_path / "x.json")):
        with pytest.raises(UsageError, match="--granule is for SAFE products"):
            open_products(name, Choice(granule="T32TMT"))
    with pytest.raises(UsageError, match="--granule is for SAFE products"):
        Job(products=(), rgb=(("r", "g", "b"),), output=tmp_path / "x", granule="T32TMT")
