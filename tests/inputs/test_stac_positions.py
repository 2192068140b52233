"""One asset with several bands: their positions are the numbers of the bands, if all agrees."""

import numpy as np
import pytest

from rasters import scene, write_raster
from s2rgb_mpi.errors import InputError
from s2rgb_mpi.inputs.open_products import open_products
from s2rgb_mpi.inputs.reader import Source
from s2rgb_mpi.inputs.stac.assets import find_assets
from s2rgb_mpi.inputs.stac.items import open_stac
from stac_items import make_item, write_json

COLOURS = ("red", "green", "blue")

POSITIONS = {
    # what the item lists, and the position of red, green and blue
    "1.1": ([{"name": name, "eo:common_name": name} for name in ("nir", *COLOURS)], (2, 3, 4)),
    "1.0": ([{"name": name} for name in ("B02", "B03", "B04", "B08")], (3, 2, 1)),
    "names of Earth Engine": ([{"name": name} for name in ("B2", "B3", "B4", "B8")], (3, 2, 1)),
    "rio-stac": (
        [
            {"name": f"b{n}", "description": text}
            for n, text in enumerate(("blue", "green", "red", "nir"), 1)
        ],
        (3, 2, 1),
    ),
}


@pytest.mark.parametrize("case", POSITIONS)
def test_one_asset_with_several_bands(tmp_path, case):
    listed, numbers = POSITIONS[case]
    stack = np.dstack([scene(), scene()[..., 0] // 2])
    write_raster(tmp_path / "all.tif", stack)
    item = make_item({"data": {"href": "all.tif", "bands": listed}})
    (product,) = open_products(write_json(tmp_path / "item.json", item))
    assert tuple(band.number for band in product.bands) == numbers
    (window,) = product.grid.windows(200, 150)
    read = np.stack(Source(product).read(window), axis=-1)
    np.testing.assert_array_equal(read, stack[..., [number - 1 for number in numbers]])


def test_positions_named_b1_to_b4_are_no_bands_of_esa(tmp_path):
    write_raster(tmp_path / "all.tif", np.dstack([scene(), scene()[..., 0]]))
    listed = [{"name": f"b{n}"} for n in range(1, 5)]  # blue, green, red, near infrared, say
    item = make_item({"data": {"href": "all.tif", "eo:bands": listed}})
    with pytest.raises(InputError, match="none of the assets red, B04, B04_10m"):
        open_stac(write_json(tmp_path / "item.json", item))


def test_a_file_with_other_bands_than_listed_is_refused(tmp_path):
    path = write_raster(tmp_path / "all.tif", scene())
    listed = [{"name": name} for name in ("nir", "red", "green", "blue")]
    item = make_item({"data": {"href": "all.tif", "bands": listed}})
    with pytest.raises(InputError) as caught:
        open_stac(write_json(tmp_path / "item.json", item))
    assert str(caught.value) == f"{path}: 3 bands, where the STAC item lists 4"


def test_a_file_that_says_otherwise_is_refused(tmp_path):
    path = write_raster(tmp_path / "all.tif", scene(), descriptions=("Blue", "green", "B04"))
    listed = [{"name": name} for name in ("red", "green", "blue")]
    item = make_item({"data": {"href": "all.tif", "bands": listed}})
    with pytest.raises(InputError) as caught:
        open_stac(write_json(tmp_path / "item.json", item))
    assert str(caught.value) == (
        f"{path}: band 1 is 'Blue' in the file, but B04 in the STAC item; open the file itself,"
        " with --bidx R,G,B"
    )
    item["assets"]["data"]["bands"] = listed[::-1]
    assert open_stac(write_json(tmp_path / "item.json", item))


def test_a_group_of_zarr_arrays_has_its_bands_by_name(tmp_path):
    # EOPF: {asset_href}/{band_name}, whatever its position
    listed = [{"name": f"b{n:02}"} for n in (2, 3, 4, 8)]
    zarr = {"href": "x.zarr/r10m/", "type": "application/vnd.zarr; version=3", "bands": listed}
    path = write_json(tmp_path / "item.json", make_item({"SR_10m": zarr}))
    with pytest.raises(InputError, match=f"{tmp_path}/x.zarr/r10m/b04: "):
        open_stac(path)
    assert [each.name for each in find_assets({"SR_10m": zarr}, 10)] == ["b04", "b03", "b02"]
