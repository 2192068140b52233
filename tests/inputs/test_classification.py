"""The scene classification of every kind of product: found where it lies, or one line of error."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from osgeo import gdal

from altered import edit, pack, pack_tar
from layouts import GRANULES, identifier, write_granules, write_tile
from opened import open_product, refusal
from rasters import TRANSFORM, copy_jp2, write_raster
from s2rgb_mpi import gdalenv
from s2rgb_mpi.errors import InputError, ReadError
from s2rgb_mpi.grid import Window
from s2rgb_mpi.image.clouds import Clouds
from s2rgb_mpi.inputs.clear import ClearMask
from s2rgb_mpi.inputs.open_products import open_products
from s2rgb_mpi.inputs.product import Choice, Product
from s2rgb_mpi.inputs.rgb_files import open_bands
from s2rgb_mpi.plan.describe import as_text, describe
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.prepare import prepare
from s2rgb_mpi.testing.eopf import LAYOUTS, write_eopf
from s2rgb_mpi.testing.safe import read_scl, write_safe
from stac_items import BANDS, make_item, named, write_bands, write_json
from web import Web

NEEDED = Choice(clouds=True)
BOTH = Choice(clouds=True, shares=True)
SCL_TRANSFORM = (TRANSFORM[0], 20.0, 0.0, TRANSFORM[3], 0.0, -20.0)
SCENE: dict[str, Any] = {
    "width": 300,
    "height": 200,
    "texture": "synthetic",
    "nodata_fraction": 0.2,
    "scl": (20, 60),
}
CLASSES = np.random.default_rng(3).integers(0, 12, size=(75, 100), dtype=np.uint8)


@pytest.fixture(scope="module")
def safe(tmp_path_factory):
    return write_safe(tmp_path_factory.mktemp("safe"), tile=128, scl_tile=64, **SCENE)


@pytest.fixture
def copied(safe, tmp_path):
    return Path(shutil.copytree(safe, tmp_path / safe.name))


@pytest.fixture
def web(safe, tmp_path):
    shutil.copytree(safe, tmp_path / safe.name)
    pack(safe, tmp_path / "x.zip")
    gdal.VSICurlClearCache()
    with Web(tmp_path).running() as web:
        yield web


def clear(product: Product) -> NDArray[np.bool_]:
    whole = Window(0, 0, product.grid.width, product.grid.height)
    return ClearMask(product, Clouds()).read(whole)


def assert_has(product: Product, classes: NDArray[np.uint8]) -> None:
    """Compare the clear pixels of a product of 10 m with classes of 20 m."""
    twice = ~np.isin(classes, (3, 8, 9, 10)).repeat(2, 0).repeat(2, 1)
    assert 0 < twice.mean() < 1
    np.testing.assert_array_equal(clear(product), twice)


def scl(
    folder: Path, classes: NDArray[Any] = CLASSES, name: str = "scl.tif", **options: Any
) -> str:
    """Write a classification of 20 m."""
    return write_raster(folder / name, classes, **{"transform": SCL_TRANSFORM, **options})


def kinds(safe: Path, folder: Path) -> dict[str, str]:
    return {
        "folder": str(safe),
        "metadata": str(safe / "MTD_MSIL2A.xml"),
        "zip": str(pack(safe, folder / "x.zip")),
        "tar": str(pack_tar(safe, folder / "x.tar")),
    }


@pytest.mark.parametrize("kind", ["folder", "metadata", "zip", "tar"])
def test_of_a_safe_product(safe, tmp_path, kind):
    product = open_product(kinds(safe, tmp_path)[kind], BOTH)
    assert_has(product, read_scl(safe))
    found = product.classification
    assert found is not None
    assert found.stamp
    assert found.coarser is not None
    if kind != "tar":  # whose members have no names for GDAL
        assert found.path.endswith("/R20m/T32TMT_20220613T103041_SCL_20m.jp2")
        assert found.coarser.path.endswith("/R60m/T32TMT_20220613T103041_SCL_60m.jp2")
    assert found.coarser.grid.transform[1] == 60


def test_nothing_is_looked_for_unless_it_is_needed(safe, web):
    open_product(f"{web.url}/{safe.name}")
    assert not [each.path for each in web.asked if "SCL" in each.path]
    open_product(f"{web.url}/{safe.name}", NEEDED)
    asked = {each.path.rpartition("/")[2] for each in web.asked if "SCL" in each.path}
    assert asked == {"T32TMT_20220613T103041_SCL_20m.jp2"}


@pytest.mark.parametrize("end", ["{}", "{}/MTD_MSIL2A.xml", "x.zip"])
def test_of_a_safe_product_on_a_server(safe, web, end):
    web.signature = "SECRET"
    product = open_product(f"{web.url}/{end.format(safe.name)}?sig=SECRET", NEEDED)
    assert_has(product, read_scl(safe))


def test_60_m_take_the_place_of_20_m_that_are_missing(copied):
    (file,) = copied.glob("GRANULE/*/IMG_DATA/R20m/*_SCL_20m.jp2")
    file.unlink()
    product = open_product(str(copied), BOTH)
    assert product.classification is not None
    assert product.classification.path.endswith("_SCL_60m.jp2")
    assert product.classification.coarser is None
    sixfold = np.isin(read_scl(copied, 60), (3, 8, 9, 10)).repeat(6, 0).repeat(6, 1)
    np.testing.assert_array_equal(clear(product), ~sixfold[:200, :300])


def test_metadata_need_not_list_it(copied):
    edit(copied, (r"<IMAGE_FILE>[^<]*_SCL_20m</IMAGE_FILE>", ""))
    edit(copied, (r"(<IMAGE_FILE>)([^<]*/IMG_DATA/)R10m(/[^<]*)_B04_10m",
                  r"\1\2R20m\3_B04_20m</IMAGE_FILE>\1\2R10m\3_B04_10m"))  # fmt: skip
    assert_has(open_product(str(copied), NEEDED), read_scl(copied))


@pytest.mark.parametrize("folder", ["R20m/", ""])
def test_of_granules_of_2016(tmp_path, folder):
    top = write_granules(tmp_path)
    for number, tile in enumerate(GRANULES):
        granule = identifier(tile)
        name = granule.removesuffix("_N02.04").replace("_MSI_", "_SCL_")
        images = top / "GRANULE" / granule / "IMG_DATA"
        (images / folder).mkdir(exist_ok=True)
        x = TRANSFORM[0] + 1000 * number
        raster = scl(tmp_path, np.roll(CLASSES, number), transform=(x, *SCL_TRANSFORM[1:]))
        copy_jp2(images / folder / f"{name}_20m.jp2", raster)
    for number, product in enumerate(open_products(str(top), NEEDED)):
        assert_has(product, np.roll(CLASSES, number))


def test_metadata_that_name_a_file_elsewhere_are_not_followed(copied):
    for resolution in (20, 60):
        (file,) = copied.glob(f"GRANULE/*/IMG_DATA/R{resolution}m/*_SCL_{resolution}m.jp2")
        file.rename(copied.parent / file.name)
    edit(copied, (r"(<IMAGE_FILE>)[^<]*(/[^</]*_SCL_\d0m)", r"\1..\2"))
    assert "no scene classification (SCL), which --clouds needs" in refusal(copied, NEEDED)


def test_a_safe_product_without_it(copied):
    for file in copied.glob("GRANULE/*/IMG_DATA/R*/*_SCL_*.jp2"):
        file.unlink()
    assert refusal(copied, NEEDED) == (
        f"{copied.stem}: no scene classification (SCL), which --clouds needs, and --order clear;"
        " its R20m/..._SCL_20m.jp2 is missing: download it again"
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("zipped", [False, True])
def test_of_an_eopf_store(safe, tmp_path, layout, zipped):
    pytest.importorskip("numcodecs")
    store = write_eopf(tmp_path, layout=layout, chunk=64, zipped=zipped, **SCENE)
    product = open_product(str(store), BOTH)
    assert_has(product, read_scl(safe))
    assert product.classification is not None
    assert product.classification.array is not None
    assert product.classification.coarser is not None
    plain = open_product(str(store))
    assert plain.classification is None


def test_an_eopf_store_without_it(tmp_path):
    pytest.importorskip("numcodecs")
    store = write_eopf(tmp_path, chunk=64, **{**SCENE, "scl": ()})
    assert refusal(store, NEEDED).endswith(
        "--order clear; the store has no conditions/mask/l2a_classification"
    )


def tile_with(folder: Path, *sizes: int) -> Path:
    tile = write_tile(folder)
    for size in sizes:
        step = size // 20
        transform = (TRANSFORM[0], size, 0.0, TRANSFORM[3], 0.0, -size)
        write_raster(folder / "x.tif", CLASSES[::step, ::step], transform=transform)
        (tile / f"R{size}m").mkdir(exist_ok=True)
        gdal.Translate(
            str(tile / f"R{size}m" / "SCL.jp2"),
            str(folder / "x.tif"),
            format="JP2OpenJPEG",
            creationOptions=["REVERSIBLE=YES", "QUALITY=100"],
        )
    return tile


def test_of_a_tile_of_aws(tmp_path):
    product = open_product(str(tile_with(tmp_path, 20, 60)), BOTH)
    assert_has(product, CLASSES)
    assert product.classification is not None
    assert product.classification.path.endswith("/R20m/SCL.jp2")
    assert product.classification.coarser is not None


def test_a_tile_of_aws_without_it(tmp_path):
    words = refusal(tile_with(tmp_path), NEEDED)
    assert words.endswith("clear; R20m/SCL.jp2 is missing: download it again")


def test_level_1c_has_none(tmp_path):
    tile = write_tile(tmp_path, level="1C")
    words = refusal(tile, replace(NEEDED, allow_l1c=True))
    assert words.endswith("clear; Level-1C tiles have none: Level-2A is needed")


@pytest.mark.parametrize("key", ["scl", "SCL", "SCL_20m", "scl-20m", "scl_r20m", "scl-jp2"])
@pytest.mark.parametrize("remote", [False, True])
def test_of_a_stac_item(tmp_path, key, remote):
    scl(write_bands(tmp_path))
    assets = {**named(), "scl_preview": "none.png", key: {"href": "scl.tif"}}
    item = write_json(tmp_path / "item.json", make_item(assets))
    if not remote:
        assert_has(open_product(item, NEEDED), CLASSES)
        return
    gdal.VSICurlClearCache()
    with Web(tmp_path).running() as web:
        assert_has(open_product(f"{web.url}/item.json", NEEDED), CLASSES)


def test_signatures_are_in_no_message(tmp_path, monkeypatch):
    monkeypatch.setattr(gdalenv, "RETRY_SECONDS", 0.01)
    folder = write_bands(tmp_path)
    file = Path(scl(folder))
    gdal.VSICurlClearCache()
    with Web(folder).running() as web:
        web.signature = "SECRET"
        signed = {key: f"{web.url}/{name}?sig=SECRET" for key, name in named().items()}
        signed["scl"] = f"{web.url}/scl.tif?sig=SECRET"
        item = write_json(folder / "item.json", make_item(signed))
        product = open_product(item, NEEDED)
        assert_has(product, CLASSES)
        assert "SECRET" not in as_text(describe(prepare(Job(item, folder / "o", clouds="drop")), 1))
        scl(folder, CLASSES + np.uint8(12))
        gdal.VSICurlClearCache()
        with pytest.raises(ReadError) as caught:
            clear(product)
        assert f" of /vsicurl/{web.url}/scl.tif: class " in str(caught.value)
        file.unlink()
        gdal.VSICurlClearCache()
        words = refusal(item, NEEDED)
    assert words.startswith(f"/vsicurl/{web.url}/scl.tif: ")
    assert "SECRET" not in words


def test_of_the_assets_of_an_item_the_best(tmp_path):
    folder = write_bands(tmp_path)
    scl(folder)
    coarse = CLASSES[::3, ::3]
    scl(folder, coarse, "60.tif", transform=(TRANSFORM[0], 60.0, 0.0, TRANSFORM[3], 0.0, -60.0))
    assets = {**named(), "SCL_60m": "60.tif", "scl-jp2": "none.jp2", "scl": "scl.tif"}
    product = open_product(write_json(folder / "item.json", make_item(assets)), BOTH)
    assert product.classification is not None
    assert product.classification.path.endswith("/scl.tif")
    assert product.classification.coarser is not None
    assert product.classification.coarser.path.endswith("/60.tif")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_of_an_item_of_arrays(safe, tmp_path, layout):
    pytest.importorskip("numcodecs")
    store = write_eopf(tmp_path, layout=layout, chunk=64, **SCENE)
    reflectance = f"{store.name}/measurements/reflectance/r10m"
    mask = f"{store.name}/conditions/mask/l2a_classification/r20m/scl"
    assets = {band: f"{reflectance}/{band.lower()}" for band in BANDS} | {"SCL_20m": mask}
    item = write_json(tmp_path / "item.json", make_item(assets))
    assert_has(open_product(item, NEEDED), read_scl(safe))
    store_alone = make_item({"product": store.name}, {"s2:processing_baseline": "05.09"})
    item = write_json(tmp_path / "item.json", store_alone)
    assert_has(open_product(item, NEEDED), read_scl(safe))


def test_a_stac_item_without_it(tmp_path):
    item = write_json(write_bands(tmp_path) / "item.json", make_item(named()))
    assert refusal(item, NEEDED) == (
        "S2A_32TMT: no scene classification (SCL), which --clouds needs, and --order clear; the"
        " item has no asset scl or SCL_20m"
    )


@pytest.fixture
def three(tmp_path):
    """Three bands of 150 x 200 pixels."""
    write_bands(tmp_path)
    return [str(tmp_path / f"{band}.tif") for band in BANDS]


def test_of_a_fourth_file(tmp_path, three):
    product = open_bands([*three, scl(tmp_path)], NEEDED)
    assert_has(product, CLASSES)
    assert open_bands([*three, "unused.tif"]).classification is None


def test_a_fourth_file_of_a_safe_product(safe):
    files = [next(safe.rglob(f"*_{band}_10m.jp2")) for band in BANDS]
    paths = [*map(str, files), str(next(safe.rglob("*_SCL_20m.jp2")))]
    product = open_bands(paths, NEEDED)
    assert product.baseline == "05.09"
    assert_has(product, read_scl(safe))


def test_three_files_alone_have_none(three):
    assert refusal("B04", NEEDED, lambda _, choice: open_bands(three, choice)) == (
        "B04: no scene classification (SCL), which --clouds needs, and --order clear; give its file"
        " too: --rgb RED GREEN BLUE SCL"
    )


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32"])
def test_of_a_raster_with_a_band_of_it(tmp_path, dtype):
    values = np.full((75, 100, 5), 1000)
    values[..., 3] = CLASSES
    kind = "uint16" if dtype == "uint8" else dtype
    names = ("B04", "B03", "B02", "scl", "B08")
    path = write_raster(
        tmp_path / "x.tif", values.astype(kind), transform=SCL_TRANSFORM, descriptions=names
    )
    cloudy = np.isin(CLASSES, (3, 8, 9, 10))
    np.testing.assert_array_equal(clear(open_product(path, NEEDED)), ~cloudy)


def test_a_raster_without_a_band_of_it(tmp_path):
    path = write_raster(tmp_path / "x.tif", np.ones((4, 4, 3), np.uint16), descriptions=BANDS)
    assert refusal(path, NEEDED).endswith(
        "no band is described as SCL; --rgb RED GREEN BLUE SCL takes files of one band"
    )


def wrong(three: list[str], path: str) -> str:
    with pytest.raises(InputError) as caught:
        open_bands([*three, path], NEEDED)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{path}: ")
    return line.removeprefix(f"{path}: ")


def test_classes_are_bytes(tmp_path, three):
    path = scl(tmp_path, CLASSES.astype(np.uint16))
    assert wrong(three, path) == (
        "pixels are uint16, where the classes of a scene classification are 8 bits"
    )


def test_one_band_is_needed(tmp_path, three):
    path = scl(tmp_path, np.stack([CLASSES] * 3, axis=-1))
    assert wrong(three, path) == "3 bands, where one is needed"


def test_a_missing_file(tmp_path, three):
    assert "No such file" in wrong(three, str(tmp_path / "none.tif"))


@pytest.mark.parametrize("epsg", [32633, 4326, None])
def test_another_crs(tmp_path, three, epsg):
    path = scl(tmp_path, epsg=epsg)
    assert wrong(three, path) == (f"another coordinate reference system, unlike {three[0]}")


@pytest.mark.parametrize(
    ("place", "fits"),
    [
        ((0, 0, 75, 100), True),
        ((-40, 40, 79, 104), True),
        ((5, 0, 75, 100), True),
        ((10, 0, 75, 100), False),
        ((0, -10, 75, 100), False),
        ((0, 0, 74, 100), False),
        ((0, 0, 75, 99), False),
        ((5000, 0, 75, 100), False),
    ],
)
def test_it_covers_every_pixel(tmp_path, three, place, fits):
    left, top, *shape = place
    transform = (TRANSFORM[0] + left, 20.0, 0.0, TRANSFORM[3] + top, 0.0, -20.0)
    path = scl(tmp_path, np.zeros(shape, np.uint8), transform=transform)
    if fits:
        assert clear(open_bands([*three, path], NEEDED)).all()
        return
    line = wrong(three, path)
    assert line.startswith(f"does not cover {three[0]}: its west, south, east, north are ")
    assert line.endswith(", not 399960 5298540 401960 5300040")


@pytest.mark.parametrize("turned", ["bands", "scl"])
def test_both_are_north_up(tmp_path, three, turned):
    south_up = (TRANSFORM[0], 20.0, 0.0, TRANSFORM[3] - 1500, 0.0, 20.0)
    path = scl(tmp_path, transform=south_up if turned == "scl" else SCL_TRANSFORM)
    if turned == "bands":
        write_bands(tmp_path, transform=(TRANSFORM[0], 10.0, 1.0, TRANSFORM[3], 1.0, -10.0))
    with pytest.raises(InputError) as caught:
        open_bands([*three, path], NEEDED)
    first = path if turned == "scl" else three[0]
    assert str(caught.value).startswith(f"{first}: not north-up, geotransform (")
    assert str(caught.value).endswith(f", so {path} cannot be compared with {three[0]}")


def test_share_of_clouds_by_metadata(safe, copied):
    stated = float(open_product(str(safe)).cloud_cover or 0)
    classes = read_scl(safe)
    assert stated == pytest.approx(100 * np.isin(classes, (8, 9, 10)).sum() / (classes > 0).sum())
    edit(copied, (r"(<Cloud_Coverage_Assessment>)[^<]*", r"\g<1>12.5"))
    assert open_product(str(copied)).cloud_cover == 12.5
    files = [str(next(copied.rglob(f"*_{band}_10m.jp2"))) for band in BANDS]
    assert open_bands(files).cloud_cover == 12.5
    edit(copied, (r"(<Cloud_Coverage_Assessment>)[^<]*", r"\1many"))
    assert open_product(str(copied)).cloud_cover is None


@pytest.mark.parametrize(("stated", "cover"), [(7, 7.0), (7.5, 7.5), (None, None), ("7", None)])
def test_share_of_clouds_of_a_stac_item(tmp_path, stated, cover):
    item = make_item(named(), {"eo:cloud_cover": stated})
    path = write_json(write_bands(tmp_path) / "item.json", item)
    assert open_product(path).cloud_cover == cover


def test_share_of_clouds_of_a_tile_of_aws(tmp_path):
    tile = write_tile(tmp_path)
    assert open_product(str(tile)).cloud_cover is None
    metadata = tile / "metadata.xml"
    inserted = "<CLOUDY_PIXEL_PERCENTAGE>3.25</CLOUDY_PIXEL_PERCENTAGE></n1:General_Info>"
    metadata.write_text(metadata.read_text().replace("</n1:General_Info>", inserted))
    assert open_product(str(tile)).cloud_cover == 3.25


def test_share_of_clouds_of_a_store(safe, tmp_path):
    pytest.importorskip("numcodecs")
    store = write_eopf(tmp_path, chunk=64, **SCENE)
    stated = open_product(str(safe)).cloud_cover
    assert open_product(str(store)).cloud_cover == pytest.approx(stated)
