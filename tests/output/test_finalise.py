"""Finalising: the same bytes in any order, BigTIFF where necessary, and errors."""

import os
import re
import struct
import subprocess
import zlib

import numpy as np
import pytest
import tifffile
from osgeo import gdal
from osgeo_utils.samples import validate_cloud_optimized_geotiff

from geotiffs import PROFILES, TAGS, extents, log_tiles, make_grid, picture, profile_id, write
from s2rgb_mpi.errors import OutputError, UsageError
from s2rgb_mpi.image.encode import check_codec
from s2rgb_mpi.image.profile import Profile
from s2rgb_mpi.output.geotiff.copying import Copies
from s2rgb_mpi.output.geotiff.finalise import finalise
from s2rgb_mpi.output.geotiff.log import Layer, TileLog

gdal.UseExceptions()

NO_PIXELS = np.zeros((3, 256), np.int64)


@pytest.fixture
def log(tmp_path):
    """An empty partial file of an image of 300 x 200 pixels in tiles of 64, without overviews."""
    (tmp_path / "part").touch()
    return TileLog(tmp_path / "part", make_grid(300, 200), Profile(tile=64), levels=0)


@pytest.mark.parametrize(
    "profile",
    [profile for profile in PROFILES if profile.compress == "deflate"],
    ids=profile_id,
)
def test_the_order_of_arrival_does_not_change_a_byte(tmp_path, profile):
    image = picture(300, 200)
    one = write(tmp_path / "one.tif", image, profile)
    other = write(tmp_path / "other.tif", image, profile, shuffle=True)
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("mask", ["nodata", "internal", "alpha"])
def test_a_file_beyond_the_reach_of_32_bits_is_a_bigtiff(tmp_path, monkeypatch, mask):
    monkeypatch.setattr("s2rgb_mpi.output.geotiff.finalise.CLASSIC_LIMIT", 10_000)
    image = picture(300, 200)
    path = write(tmp_path / "rgb.tif", image, Profile(tile=64, mask=mask))
    with tifffile.TiffFile(path) as tif:
        assert tif.is_bigtiff
    warnings, errors, _ = validate_cloud_optimized_geotiff.validate(str(path), full_check=True)
    assert (warnings, errors) == ([], [])
    found = gdal.Open(str(path)).ReadAsArray(band_list=[1, 2, 3])
    np.testing.assert_array_equal(np.moveaxis(found, 0, -1), image)


def test_a_small_file_is_a_classic_tiff(tmp_path):
    with tifffile.TiffFile(write(tmp_path / "rgb.tif", picture(300, 200), Profile())) as tif:
        assert not tif.is_bigtiff


@pytest.mark.parametrize("compress", ["deflate", "none"])
def test_an_image_of_more_than_4_gb_of_pixels_can_be_finalised(tmp_path, compress):
    profile = Profile(compress=compress)
    grid = make_grid(40_000, 40_000)
    (tmp_path / "part").touch()
    log = TileLog(tmp_path / "part", grid, profile, levels=7)
    path = tmp_path / "rgb.tif"
    path.touch()
    finalise(log, path, grid=grid, profile=profile, tags=TAGS, histogram=NO_PIXELS)
    dataset = gdal.Open(str(path))
    assert (dataset.RasterXSize, dataset.RasterYSize) == (40_000, 40_000)


@pytest.mark.parametrize("mask", ["nodata", "internal"])
def test_the_ghost_area_is_the_one_of_gdals_own_driver(tmp_path, mask):
    path = write(tmp_path / "rgb.tif", picture(300, 200), Profile(tile=64, mask=mask))
    gdal.Translate(str(tmp_path / "gdal.tif"), str(path), format="COG")
    own, theirs = (file.read_bytes()[8:] for file in (path, tmp_path / "gdal.tif"))
    size = theirs.index(b"LAYOUT=") + int(theirs[30:36])
    assert own[:size] == theirs[:size]


@pytest.mark.parametrize("mask", ["nodata", "internal"])
def test_every_tile_of_a_cog_is_framed_by_its_size_and_its_last_four_bytes(tmp_path, mask):
    path = write(tmp_path / "rgb.tif", picture(300, 200), Profile(tile=64, mask=mask))
    data = path.read_bytes()
    for begin, end in extents(path):
        assert int.from_bytes(data[begin - 4 : begin], "little") == end - begin
        assert data[end : end + 4] == data[end - 4 : end]


def test_a_tile_that_comes_twice_is_refused(log):
    log.note(Layer(0, mask=False), 3, 4, offset=0, nbytes=10, crc32=0)
    with pytest.raises(OutputError, match=r"tile 3, 4 of .* came twice"):
        log.note(Layer(0, mask=False), 3, 4, offset=10, nbytes=10, crc32=0)


def test_bytes_that_were_appended_can_be_read_back(log):
    log.append(b"first")
    begin = log.append(memoryview(b"second"))
    assert (begin, log.read(begin, 6), log.nbytes) == (5, b"second", 11)


def test_a_part_file_that_was_cut_off_is_refused_by_name(log):
    log.append(b"twelve bytes")
    os.truncate(log.path, 4)
    with pytest.raises(OutputError, match=f"{log.path}: 6 bytes at 0 are not there"):
        log.read(0, 6)


def test_a_part_file_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(OutputError, match=f"{tmp_path / 'absent'}: No such file or directory"):
        TileLog(tmp_path / "absent", make_grid(30, 20), Profile(), levels=0)


def test_a_full_disk_is_an_output_error_with_the_path(tmp_path):
    (tmp_path / "part").symlink_to("/dev/full")
    log = TileLog(tmp_path / "part", make_grid(30, 20), Profile(), levels=0)
    with pytest.raises(OutputError, match=f"{tmp_path / 'part'}: No space left on device"):
        log.append(b"tile")


def test_a_file_that_cannot_be_finalised_is_refused_by_name(tmp_path):
    log, grid = log_tiles(tmp_path / "part", picture(30, 20), Profile())
    path = tmp_path / "absent" / "rgb.tif"
    with pytest.raises(OutputError, match=f"{path}: No such file or directory"):
        finalise(log, path, grid=grid, profile=Profile(), tags=TAGS, histogram=NO_PIXELS)


@pytest.fixture
def copies(tmp_path):
    """Seven tiles of a partial file to be framed, and copied one behind another, from byte 10."""
    source, target = tmp_path / "part", tmp_path / "final"
    tiles = [bytes([65 + number]) * size for number, size in enumerate((9, 4, 30, 5, 5, 8, 20))]
    source.write_bytes(b"".join(tiles[::-1]))
    target.write_bytes(b"")
    rows, place = [], 10
    for number, tile in enumerate(tiles):
        begin = sum(map(len, tiles[number + 1 :]))
        rows.append((begin, place + 4, len(tile), zlib.crc32(tile)))
        place += len(tile) + 8
    return Copies(source, target, framed=True, tiles=np.array(rows, dtype=np.uint64))


def framed(copies):
    content = copies.source.read_bytes()
    tiles = [content[begin : begin + size] for begin, _, size, _ in copies.tiles.tolist()]
    return b"".join(struct.pack("<I", len(tile)) + tile + tile[-4:] for tile in tiles)


def test_tiles_are_copied_with_their_frames(copies):
    copies.run()
    assert copies.target.read_bytes() == bytes(10) + framed(copies)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12])
def test_parts_of_copies_make_the_whole_in_any_order(copies, count):
    parts = copies.split(count)
    assert len(parts) == count
    assert max(part.nbytes for part in parts) <= copies.nbytes / count + 30
    for part in parts[::-1]:
        part.run()
    assert copies.target.read_bytes() == bytes(10) + framed(copies)


def test_a_write_that_takes_only_some_of_the_bytes_is_continued(copies, monkeypatch):
    pwritev, pwrite = os.pwritev, os.pwrite
    monkeypatch.setattr(
        os, "pwritev", lambda file, parts, place: pwritev(file, [parts[0][:3]], place)
    )
    monkeypatch.setattr(os, "pwrite", lambda file, data, place: pwrite(file, data[:2], place))
    copies.run()
    assert copies.target.read_bytes() == bytes(10) + framed(copies)


def test_a_tile_that_changed_on_the_disk_is_refused(copies):
    with copies.source.open("r+b") as file:
        file.seek(60)
        file.write(b"x")
    place = re.escape(f"{copies.source}: 30 bytes at 38 are damaged: CRC-32 differs")
    with pytest.raises(OutputError, match=place):
        copies.run()


def test_a_part_file_that_was_cut_is_refused(copies):
    os.truncate(copies.source, 70)
    place = re.escape(f"{copies.source}: 9 bytes at 72 are not there any more")
    with pytest.raises(OutputError, match=place):
        copies.run()


def test_a_disk_that_is_full_at_the_end_is_an_output_error_with_the_path(copies):
    copies.target.unlink()
    copies.target.symlink_to("/dev/full")
    with pytest.raises(OutputError, match=f"{copies.target}: No space left on device"):
        copies.run()


def test_a_log_that_is_opened_again_continues_at_its_end(log):
    log.append(b"tile")
    log.close()
    again = TileLog(log.path, make_grid(64, 64), Profile(tile=64), 0)
    assert again.nbytes == 4
    assert again.append(b"next") == 4
    assert again.read(0, 8) == b"tilenext"


def test_gdalinfo_has_nothing_to_complain_of(tmp_path):
    path = write(tmp_path / "rgb.tif", picture(300, 200), Profile(tile=64, mask="internal"))
    run = subprocess.run(
        ["gdalinfo", "-checksum", path], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stderr == ""


def test_a_codec_that_this_gdal_lacks_is_refused_with_those_it_has(monkeypatch):
    driver = gdal.GetDriverByName("GTiff")
    options = driver.GetMetadataItem("DMD_CREATIONOPTIONLIST")
    monkeypatch.setattr(gdal, "GetDriverByName", lambda _: driver)
    without = options.replace("<Value>ZSTD</Value>", "")
    monkeypatch.setattr(driver, "GetMetadataItem", lambda _: without, raising=False)
    with pytest.raises(UsageError, match=r"no --compress zstd; it has none, .*deflate"):
        check_codec(Profile(compress="zstd"))
