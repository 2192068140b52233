"""Reading ahead: all ranges that GDAL will read from a server, in few requests, several at once."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import pytest
from osgeo import gdal

from opened import open_safe
from rasters import copy_jp2, scene, write_raster
from s2rgb_mpi import gdalenv
from s2rgb_mpi.grid import Window
from s2rgb_mpi.inputs.ahead import Ahead, is_served
from s2rgb_mpi.inputs.files.read_ahead import (
    COPIES,
    REQUEST_NBYTES,
    UNIT_NBYTES,
    ByteRange,
    ReadAhead,
    _Budget,
    held_nbytes,
    is_cached,
)
from s2rgb_mpi.inputs.files.vsi import headers_of
from s2rgb_mpi.inputs.multiband import open_multiband
from s2rgb_mpi.inputs.product import Choice
from s2rgb_mpi.inputs.reader import Source
from s2rgb_mpi.inputs.rgb_files import open_bands
from web import Web

DN = scene(900, 1000, darkest=1001)

TILED = ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128"]


@pytest.fixture
def web(tmp_path):
    before = gdal.GetConfigOption("GDAL_HTTP_RETRY_DELAY")
    gdal.SetConfigOption("GDAL_HTTP_RETRY_DELAY", "0.01")
    gdal.VSICurlClearCache()
    with Web(tmp_path).running() as server:
        yield server
    gdal.SetConfigOption("GDAL_HTTP_RETRY_DELAY", before)
    gdal.VSICurlClearCache()


def threads():
    """List the threads that read ahead."""
    return [each for each in threading.enumerate() if each.name.startswith("read-ahead")]


def write_bands(folder, kind):
    """Write three band files of a kind; return their names."""
    names = []
    for number in range(3):
        name = f"{number}.{'jp2' if kind == 'jp2' else 'tif'}"
        options = {"tiled": TILED, "strips": ["BLOCKYSIZE=16"]}.get(kind, [])
        raw = write_raster(folder / f"raw-{name}.tif", DN[..., number], options=options)
        if kind == "jp2":
            copy_jp2(folder / name, raw)
        elif kind == "cog":
            options = ["BLOCKSIZE=128", "OVERVIEWS=NONE"]
            gdal.Translate(str(folder / name), raw, format="COG", creationOptions=options)
        else:
            shutil.move(raw, folder / name)
        names.append(name)
    return names


def read_with(product, windows):
    """Read windows, each with its bytes read ahead; return the number of requests after that."""
    ahead = Ahead([product], [(0, window) for window in windows])
    ahead.before_open(0)
    source = Source(product)
    for window in windows:
        ahead.before_read(0, window, {0: source})
        yield window, source
    ahead.close()


@pytest.mark.parametrize("kind", ["tiled", "cog", "strips", "jp2"])
def test_all_that_is_read_has_been_read_ahead(web, kind):
    names = write_bands(web.folder, kind)
    product = open_bands([f"{web.url}/{name}" for name in names])
    for window in (Window(256, 256, 256, 256), Window(768, 640, 232, 260), Window(0, 0, 128, 128)):
        # One at a time: nothing further is read in the background while its requests are counted.
        for _, source in read_with(product, [window]):
            asked = len(web.asked)
            arrays = source.read(window)
            assert len(web.asked) == asked
            expected = DN[window.row_off :, window.col_off :][: window.height, : window.width]
            np.testing.assert_array_equal(np.stack(arrays, axis=-1), expected)
    assert threads() == []


def test_blocks_that_a_sparse_file_does_not_have(web):
    names = []
    for number in range(3):
        values = np.zeros((256, 512), np.uint16)
        values[:128, 128:256] = 500 + number
        names.append(f"{number}.tif")
        write_raster(web.folder / names[-1], values, options=[*TILED, "SPARSE_OK=TRUE"])
    product = open_bands([f"{web.url}/{name}" for name in names])
    windows = list(product.grid.windows(128, 128))
    found = [
        [int(band.max()) for band in source.read(window)]
        for window, source in read_with(product, windows)
    ]
    assert found == [[0] * 3, [500, 501, 502], *([[0] * 3] * 6)]


def test_bands_in_one_file_are_read_ahead_once(web):
    options = [*TILED, "INTERLEAVE=PIXEL"]
    write_raster(web.folder / "all.tif", DN, descriptions=["B04", "B03", "B02"], options=options)
    product = open_multiband(f"{web.url}/all.tif", Choice())
    window = Window(256, 256, 256, 256)
    for _, source in read_with(product, [window]):
        asked = len(web.asked)
        source.read(window)
        assert len(web.asked) == asked
    # Two rows of two blocks that lie side by side in the file: a request for each.
    assert len([each for each in web.ranges("/all.tif") if not each.startswith("bytes=0-")]) == 2


def name_of(web, nbytes):
    """Put a file on the server; return GDAL's name of it."""
    (web.folder / "file").write_bytes(bytes(nbytes))
    return f"/vsicurl/{web.url}/file"


def asked(web):
    """List the ranges that were asked of the file, as numbers, in their order."""
    spans = (each.removeprefix("bytes=").split("-") for each in web.ranges("/file"))
    return sorted((int(first), int(last) + 1) for first, last in spans)


def test_neighbours_are_one_request_and_long_ranges_several(web):
    path = name_of(web, 8 * REQUEST_NBYTES)
    ahead = ReadAhead()
    begin = 3 * REQUEST_NBYTES
    ahead.want(
        {
            "one": [ByteRange(path, UNIT_NBYTES, 2 * UNIT_NBYTES)],
            "two": [ByteRange(path, 2 * UNIT_NBYTES + 100, 4 * UNIT_NBYTES)],
            "long": [ByteRange(path, begin, begin + 2 * REQUEST_NBYTES + 2)],
        }
    )
    for key in ("one", "two", "long"):
        ahead.wait(key)
    ahead.close()
    first, *pieces = asked(web)
    assert first == (UNIT_NBYTES, 4 * UNIT_NBYTES)
    assert len(pieces) == 3  # of about the same length
    assert pieces[0][0] == begin
    assert (
        begin + 2 * REQUEST_NBYTES + 2 <= pieces[-1][1] <= begin + 2 * REQUEST_NBYTES + UNIT_NBYTES
    )
    assert [end for _, end in pieces[:-1]] == [begin for begin, _ in pieces[1:]]
    lengths = [end - begin for begin, end in pieces]
    assert max(lengths) - min(lengths) <= UNIT_NBYTES


def test_several_requests_are_open_at_once(web):
    path = name_of(web, 2**22)
    web.together = 8
    ahead = ReadAhead()
    ahead.want({n: [ByteRange(path, n * 2**18, n * 2**18 + 100)] for n in range(1, 9)})
    for number in range(1, 9):
        ahead.wait(number)
    ahead.close()
    assert web.met


def test_open_requests_have_no_more_bytes_than_they_may(web, monkeypatch):
    """Three of 30 KB are open at once, and never a fourth, though there are threads for it."""
    monkeypatch.setattr("s2rgb_mpi.inputs.files.read_ahead.UNDER_WAY_NBYTES", 100_000)
    path = name_of(web, 2**20)
    web.together, web.patience = 4, 0.2
    ahead = ReadAhead()
    ahead.want({n: [ByteRange(path, n * 2**17, n * 2**17 + 30_000)] for n in range(1, 8)})
    for number in range(1, 8):
        ahead.wait(number)
    assert not web.met
    web.together = 3
    ahead.want(
        {n: [ByteRange(path, n * 2**17 + 2**16, n * 2**17 + 2**16 + 30_000)] for n in range(7)}
    )
    for number in range(7):
        ahead.wait(number)
    ahead.close()
    assert web.met
    assert len(asked(web)) == 14


def test_who_waits_first_for_bytes_is_served_first():
    budget, served = _Budget(1), []

    def come_twice(number):
        for call in range(2):
            with budget.spent(1):
                served.append((call, number))

    with ThreadPoolExecutor(12) as pool, budget.spent(1):
        for number in range(12):
            wait([pool.submit(come_twice, number)], 0.01)  # until it waits
    assert served[:12] == [(0, number) for number in range(12)]  # whoever comes back is behind


def test_headers_of_all_bands_are_asked_for_at_once(web):
    web.together, web.beginnings = 3, True
    names = write_bands(web.folder, "tiled")
    product = open_bands([f"{web.url}/{name}" for name in names])
    assert web.met
    paths = [each.path for each in web.asked]
    # Each of these once: its size with its ETag, and its beginning.
    assert sorted(paths) == sorted(f"/{name}" for name in names for _ in range(2))
    assert all(band.stamp for band in product.bands)


def test_a_header_behind_the_status_line_is_found(monkeypatch):
    """GDAL 3.13 has both in one name."""
    monkeypatch.setattr(gdal, "GetFileMetadata", lambda *_: {"HTTP/1.1 200 OK\r\nETag": '"v1"'})
    assert headers_of("/vsicurl/http://127.0.0.1/first.tif") == {"etag": '"v1"'}


def test_no_more_is_wanted_than_there_is_room_for(web, monkeypatch):
    room = 2_000_000
    monkeypatch.setattr("s2rgb_mpi.inputs.ahead.room_nbytes", lambda: room)
    names = write_bands(web.folder, "tiled")
    product = open_bands([f"{web.url}/{name}" for name in names])
    windows = list(product.grid.windows(128, 128))
    web.asked.clear()
    block = 3 * (128 * 128 * 2 + 2 * UNIT_NBYTES)  # what a window is at most, in whole units
    for number, (window, source) in enumerate(read_with(product, windows)):
        source.read(window)
        ranges = [each.range[6:].split("-") for each in web.asked if each.range]
        fetched = sum(int(last) - int(first) + 1 for first, last in ranges)
        assert fetched <= (number + 1) * block + room
    assert len(ranges) < len(windows)  # of three bands: neighbours are one request


def test_windows_that_are_left_out_are_forgotten(web):
    names = write_bands(web.folder, "tiled")
    product = open_bands([f"{web.url}/{name}" for name in names])
    windows = list(product.grid.windows(256, 256))
    ahead = Ahead([product], [(0, window) for window in windows])
    source = Source(product)
    for window in (windows[2], windows[-1]):
        ahead.before_read(0, window, {0: source})
        asked = len(web.asked)
        source.read(window)
    assert len(web.asked) == asked  # nothing is left to be read ahead meanwhile
    ahead.close()
    assert threads() == []


def test_what_cannot_be_read_ahead_is_left_to_whoever_needs_it(web):
    path = name_of(web, 2**20)
    web.broken["/file"] = range(500_000, 600_000)
    ahead = ReadAhead()
    ahead.want(
        {
            "broken": [ByteRange(path, 500_000, 500_100)],
            "absent": [ByteRange(f"{path}-else", 0, 100)],
            "whole": [ByteRange(path, 100_000, 100_100)],
        }
    )
    for key in ("broken", "absent", "whole", "never wanted"):
        ahead.wait(key)
    ahead.close()
    assert (98304, 114688) in asked(web)
    assert any(begin <= 500_000 < end for begin, end in asked(web))


@pytest.mark.parametrize(
    ("name", "cached"),
    [
        ("/data/a.tif", False),
        ("/vsimem/a.tif", False),
        ("/vsizip/{/vsicurl/https://example.org/a.zip}/b.jp2", False),
        ("/vsicurl_streaming/https://example.org/a.tif", False),
        ("/vsicurl/https://example.org/a.tif", True),
        ("/vsicurl?url=https%3A%2F%2Fexample.org%2Fa.tif", True),
        ("/vsis3/bucket/a.tif", True),
    ],
)
def test_what_is_read_ahead_is_known_by_its_name(name, cached):
    assert is_cached(name) is cached


def test_files_that_are_here_start_no_thread(safe):
    assert not is_served(open_safe(str(safe)))


def test_memory_is_that_of_the_cache_and_of_open_requests(monkeypatch):
    monkeypatch.setattr(gdalenv, "network_cache_nbytes", lambda: 3_000_000)
    assert held_nbytes() == 3_000_000 + COPIES * 2_000_000
