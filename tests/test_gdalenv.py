"""GDAL's settings: those of the user are kept, and files in memory are removed."""

import pytest
from osgeo import gdal

from s2rgb_mpi import gdalenv

NAME = "GDAL_HTTP_MAX_RETRY"


@pytest.fixture
def restored():
    before = gdal.GetConfigOption(NAME)
    yield
    gdal.SetConfigOption(NAME, before)


@pytest.mark.usefixtures("restored")
def test_settings_of_the_user_stay():
    gdal.SetConfigOption(NAME, "7")
    gdalenv.configure()
    assert gdal.GetConfigOption(NAME) == "7"


def test_settings_last_as_long_as_their_context():
    with gdalenv.settings({"S2RGB_TEST": "ON"}):
        assert gdal.GetConfigOption("S2RGB_TEST") == "ON"
    assert gdal.GetConfigOption("S2RGB_TEST") is None


def test_errors_are_exceptions():
    with pytest.raises(RuntimeError):
        gdal.Open("/vsimem/absent.tif")


def test_warnings_are_not_said(capfd):
    """Under GDAL 3.7 and later a handler of the whole process keeps none of them back."""
    gdal.Error(gdal.CE_Warning, gdal.CPLE_AppDefined, "https://server/a.tif?sig=secret: 403")
    assert capfd.readouterr() == ("", "")


def test_files_in_memory_go_with_what_lies_beside_them():
    with gdalenv.memory_file(".png") as name:
        for each in (name, f"{name}.aux.xml"):
            gdal.FileFromMemBuffer(each, b"bytes")
        assert gdalenv.contents(name) == b"bytes"
    assert gdal.VSIStatL(name) is None
    assert gdal.VSIStatL(f"{name}.aux.xml") is None


def test_names_in_memory_are_used_once():
    with gdalenv.memory_file(".tif") as first, gdalenv.memory_file(".tif") as second:
        assert first != second
