"""Servers that refuse: HEAD, a file, or to say how large it is."""

import shutil
from contextlib import suppress

import numpy as np
import pytest
from osgeo import gdal

from altered import pack, pack_tar
from opened import open_product, refusal, whole_dn
from s2rgb_mpi import gdalenv
from s2rgb_mpi.inputs.rgb_files import open_bands
from s2rgb_mpi.testing.safe import read_dn
from web import Web


@pytest.fixture
def web(safe, tmp_path, monkeypatch):
    """A server with the product, its zip and its tar."""
    before = gdalenv.RETRY_SECONDS
    monkeypatch.setattr(gdalenv, "RETRY_SECONDS", 0.01)
    shutil.copytree(safe, tmp_path / safe.name)
    pack(safe, tmp_path / f"{safe.name}.zip")
    pack_tar(safe, tmp_path / f"{safe.name}.tar")
    gdal.SetConfigOption("GDAL_HTTP_RETRY_DELAY", "0.01")
    gdal.VSICurlClearCache()
    with Web(tmp_path).running() as web:
        yield web
    gdal.SetConfigOption("CPL_VSIL_CURL_USE_HEAD", None)
    gdal.SetConfigOption("GDAL_HTTP_RETRY_DELAY", str(before))


@pytest.mark.parametrize("status", [403, 404, 405, 500])
@pytest.mark.parametrize("end", ["", ".zip", ".tar"])
def test_a_server_may_refuse_to_answer_without_content(safe, web, monkeypatch, status, end):
    """Addresses that are signed for GET are refused with HEAD."""
    before = web.answer

    def answer(request):
        if request.command == "HEAD":
            request.send_error(status)
        else:
            before(request)

    monkeypatch.setattr(web, "answer", answer)
    product = open_product(f"{web.url}/{safe.name}{end}")
    # As another process would, which has seen nothing of this.
    gdal.SetConfigOption("CPL_VSIL_CURL_USE_HEAD", None)
    gdal.VSICurlClearCache()
    np.testing.assert_array_equal(whole_dn(product), read_dn(safe))


@pytest.mark.parametrize(
    ("status", "words"), [(403, "Forbidden: access is refused: "), (500, "Internal Server Error")]
)
def test_a_band_that_the_server_does_not_give_us_is_not_called_missing(safe, web, status, words):
    (image,) = (web.folder / safe.name).glob("GRANULE/*/IMG_DATA/R10m/*_B03_10m.jp2")
    where = f"/{image.relative_to(web.folder)}"
    web.faults[where] = [status] * 20
    line = refusal(f"{web.url}/{safe.name}?sig=SECRET")
    assert line.startswith(f"{web.url}{where}: HTTP {status} {words}")
    assert "SECRET" not in line


@pytest.mark.parametrize("name", ["absent.zip", "absent.tar"])
def test_an_archive_that_is_not_there(web, name):
    assert refusal(f"{web.url}/{name}?sig=SECRET") == f"{web.url}/{name}: HTTP 404 Not Found"


def test_a_server_that_does_not_say_how_large_a_file_is(safe, web, monkeypatch):
    def answer(request):
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        content = (web.folder / request.path.partition("?")[0].lstrip("/")).read_bytes()
        with suppress(BrokenPipeError, ConnectionResetError):
            request.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content))

    monkeypatch.setattr(web, "answer", answer)
    for end in ("", ".zip"):
        line = refusal(f"{web.url}/{safe.name}{end}?sig=SECRET")
        assert "empty, or its server does not say how large it is" in line
        assert "download" in line
        assert "SECRET" not in line


@pytest.mark.parametrize("head", [None, "NO"])
def test_files_by_their_own_addresses_are_refused_with_the_servers_status(web, head):
    """Where GDAL does not say it, as GDAL 3.6 with GET, the server is asked for it."""
    gdal.SetConfigOption("CPL_VSIL_CURL_USE_HEAD", head)
    paths = [f"{web.url}/{name}.jp2" for name in "rgb"]
    line = refusal(paths, open_it=lambda *_: open_bands(paths))
    ways = ("HTTP response code: 404", "HTTP 404 Not Found")  # GDAL's own, and ours
    assert line in {f"/vsicurl/{web.url}/r.jp2: {words}" for words in ways}
