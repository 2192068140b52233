"""GDAL's settings: those of the user are kept, and files in memory are removed."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

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


def test_a_session_has_its_own_settings_back():
    """In a process of its own: the tests have configured theirs."""
    code = """
from osgeo import gdal, ogr, osr
from s2rgb_mpi import gdalenv

NAMES = (*gdalenv._FIXED, *gdalenv._DEFAULTS)

def state():
    exceptions = [module.GetUseExceptions() for module in (gdal, ogr, osr)]
    return exceptions, gdal.GetCacheMax(), [gdal.GetConfigOption(name) for name in NAMES]

for name, value in (("GDAL_NUM_THREADS", "4"), ("GDAL_HTTP_MAX_RETRY", "7")):
    gdal.SetConfigOption(name, value)
gdal.DontUseExceptions()
before = state()
for _ in range(2):
    with gdalenv.configured():
        inside = state()
        with gdalenv.configured():
            pass
        assert state() == inside
        assert inside[0] == [1, 1, 1]
        assert gdal.GetConfigOption("GDAL_NUM_THREADS") == "1"
        assert gdal.GetConfigOption("GDAL_HTTP_MAX_RETRY") == "7"
    assert state() == before, (state(), before)
gdal.Error(gdal.CE_Failure, gdal.CPLE_AppDefined, "said again")
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "said again" in run.stderr


def test_settings_stay_while_any_thread_needs_them():
    before = gdal.GetConfigOption("GDAL_NUM_THREADS")
    with ThreadPoolExecutor(1) as pool, gdalenv.configured():
        pool.submit(_enter_and_leave).result()
        assert gdal.GetConfigOption("GDAL_NUM_THREADS") == "1"
    assert gdal.GetConfigOption("GDAL_NUM_THREADS") == before


def _enter_and_leave():
    with gdalenv.configured():
        pass


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
