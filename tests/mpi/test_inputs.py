"""Every kind of input, from its name on the command line to pixels that equal the reference."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

import reference
from rasters import scene, write_raster
from s2rgb_mpi.testing.safe import read_dn, write_safe
from web import Web

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no real files beside the project")
BANDS = ("B04", "B03", "B02")


def band_files(folder, dn, **options):
    """Write a COG for each band; return the paths."""
    paths = []
    for number, name in enumerate(BANDS):
        raw = write_raster(folder / "raw.tif", dn[..., number], **options)
        paths.append(folder / f"{name}.tif")
        gdal.Translate(str(paths[-1]), raw, format="COG", creationOptions=["BLOCKSIZE=128"])
        Path(raw).unlink()
    return paths


def write_item(folder, properties=None, **asset):
    """Write a STAC item beside its bands, with references relative to it."""
    assets = {name: {"href": f"./{name}.tif", **asset} for name in BANDS}
    item: dict[str, object] = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "item",
        "geometry": None,
        "properties": {"datetime": "2022-06-13T10:30:41Z", **(properties or {})},
        "links": [],
        "assets": assets,
    }
    path = folder / "item.json"
    path.write_text(json.dumps(item))
    return path


def assert_equal(image, dn, **options):
    np.testing.assert_array_equal(image, reference.rgb(dn, **options))


def test_metadata_file(image, safe):
    assert_equal(image(safe / "MTD_MSIL2A.xml"), read_dn(safe), offset=-1000)


def test_zip(image, safe, tmp_path):
    archive = tmp_path / "product.zip"
    with zipfile.ZipFile(archive, "w") as store:
        for path in safe.rglob("*"):
            store.write(path, path.relative_to(safe.parent))
    assert_equal(image(archive), read_dn(safe), offset=-1000)


@pytest.mark.parametrize("resolution", [20, 60])
def test_other_resolutions(image, tmp_path, resolution):
    safe = write_safe(tmp_path, width=1430, height=770, resolutions=(20, 60))
    dn = read_dn(safe, resolution)
    assert_equal(image(safe, "--source-resolution", resolution), dn, offset=-1000)


@needs_data
def test_level_1c(image):
    (archive,) = (DATA / "safe_real" / "wagl_L1C_zips").glob("*.zip")
    with zipfile.ZipFile(archive) as store:
        names = [next(n for n in store.namelist() if n.endswith(f"_{b}.jp2")) for b in BANDS]
    dn = np.dstack([gdal.Open(f"/vsizip/{archive}/{name}").ReadAsArray() for name in names])
    assert_equal(image(archive, "--allow-l1c"), dn)


@pytest.mark.parametrize(
    ("properties", "asset", "offset"),
    [
        ({"earthsearch:boa_offset_applied": True}, {"scale": 0.0001, "offset": -0.1}, 0),
        ({}, {"scale": 0.0001, "offset": -0.1}, -1000),
    ],
    ids=["applied", "to be applied"],
)
def test_stac_item_with_bands_that_have_tags_too(image, tmp_path, properties, asset, offset):
    dn = scene(300, 260, darkest=1 - offset)  # darker pixels would contradict the offset
    band_files(tmp_path, dn, scale=0.0001, offset=-0.1)
    item = write_item(tmp_path, properties, **{"raster:bands": [asset]})
    assert_equal(image(item), dn, offset=offset)


def test_stac_item_over_http_reads_ranges_and_bears_a_busy_server(image, tmp_path):
    dn = scene(300, 260, darkest=1001)
    band_files(tmp_path, dn, nodata=0)
    write_item(tmp_path, {"s2:processing_baseline": "05.10"})
    with Web(tmp_path).running() as web:
        web.faults["/item.json"] = [503]
        web.faults["/B03.tif"] = [503]
        assert_equal(image(f"{web.url}/item.json"), dn, offset=-1000)
        assert all(web.ranges(f"/{name}.tif") for name in BANDS)


def test_multi_band_raster_by_descriptions_and_by_numbers(image, tmp_path):
    dn = scene(300, 260)
    stack = np.dstack([dn[..., 2], dn[..., 1], dn[..., 0], dn[..., 0] // 2])
    named = ("B02", "B03", "B04", "B08")
    path = write_raster(tmp_path / "s.tif", stack, descriptions=named, options=["COMPRESS=LZW"])
    assert_equal(image(path), dn)
    shutil.rmtree(tmp_path / "out")
    assert_equal(image(path, "--bidx", "1,2,3"), dn[..., ::-1])


def test_gdals_name_of_a_remote_raster(image, tmp_path):
    dn = scene(300, 260)
    path = write_raster(tmp_path / "s.tif", dn, descriptions=BANDS, options=["TILED=YES"])
    with Web(tmp_path).running() as web:
        assert_equal(image(f"/vsicurl/{web.url}/{Path(path).name}"), dn)


def test_reflectance_in_floats(image, tmp_path):
    dn = scene(300, 260)
    values = np.where(dn == 0, np.nan, dn / 10_000).astype(np.float32)
    path = write_raster(tmp_path / "f.tif", values, descriptions=BANDS, nodata=np.nan)
    assert_equal(image(path), dn)


def test_integers_with_another_no_data(image, tmp_path):
    dn = scene(300, 260)
    values = np.where(dn == 0, np.int16(-9999), dn.astype(np.int16))
    path = write_raster(tmp_path / "i.tif", values, descriptions=BANDS, nodata=-9999)
    assert_equal(image(path), dn)


def test_band_files_without_crs(image, tmp_path):
    dn = scene(300, 260)
    paths = [write_raster(tmp_path / f"{n}.tif", dn[..., n], epsg=None) for n in range(3)]
    warning = f"{paths[0]}: no coordinate reference system; the image will have none either"
    assert_equal(image("--rgb", *paths, said=[f"s2rgb_mpi: warning: {warning}"]), dn)


@needs_data
def test_real_numbers_without_georeference(image, tmp_path):
    bands = json.loads((DATA / "pixels" / "spyndex_S2_10m" / "S2_10m.json").read_text())
    dn = np.dstack([np.array(bands[number]) for number in (2, 1, 0)]).astype(np.uint16)
    paths = [write_raster(tmp_path / f"{n}.tif", dn[..., n], epsg=None) for n in range(3)]
    warning = f"{paths[0]}: no coordinate reference system; the image will have none either"
    assert_equal(image("--rgb", *paths, said=[f"s2rgb_mpi: warning: {warning}"]), dn)


@needs_data
def test_real_band_files_in_strips_with_no_data_65535(image):
    folder = DATA / "pixels" / "openeo-geotrellis_icor_10m"
    paths = [folder / f"ref_input_S2_{band}.tif" for band in BANDS]
    dn = np.dstack([gdal.Open(str(path)).ReadAsArray() for path in paths]).astype(int)
    assert 0 < (dn != 65535).mean() <= 1
    assert_equal(image("--rgb", *paths), np.where(dn == 65535, 0, dn))


@needs_data
def test_real_patches(image):
    folder = min((DATA / "pixels" / "bigearthnet_common_tiny_L2A").glob("*_MSIL2A_*"))
    paths = [folder / f"{folder.name}_{band}.tif" for band in BANDS]
    dn = np.dstack([gdal.Open(str(path)).ReadAsArray() for path in paths])
    assert_equal(image("--rgb", *paths), dn)


def test_bad_inputs_are_one_line(refused, safe, tmp_path):
    eight = write_raster(tmp_path / "e.tif", np.ones((9, 9, 3), np.uint8))
    line = refused(eight, "--bidx", "1,2,3")
    assert line == f"{eight}: pixels are Byte, 8 bit: an image, where reflectance is needed"
    assert "--bidx" in refused(safe, "--bidx", "1,2,3")
    assert "1,2 must be three band numbers" in refused(eight, "--bidx", "1,2")
    assert "R,G,B" in refused(eight, "--bidx", "a,b,c")


def test_an_item_that_cannot_be_had_is_one_line(refused, tmp_path):
    with Web(tmp_path).running() as web:
        line = refused(f"{web.url}/item.json")
        assert line == f"{web.url}/item.json: HTTP 404 Not Found"
