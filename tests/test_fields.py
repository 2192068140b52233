"""Fields of dataclasses: what users of Python give, and what is rejected by name."""

import numpy as np
import pytest

from s2rgb_mpi import Job, Profile, Stretch, Wanted
from s2rgb_mpi.cli.options import OPTIONS
from s2rgb_mpi.errors import UsageError


def job(**fields):
    return Job("a.SAFE", "rgb.tif", **fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"crs": 2056}, r"crs = 2056: must be str \| None"),
        ({"bounds_crs": 4326}, "bounds_crs = 4326: must be str"),
        ({"bounds": (1, 2)}, r"bounds = \(1, 2\): must be tuple\[float, float, float, float\]"),
        ({"bounds": "1 2 3 4"}, "bounds = '1 2 3 4': must be tuple"),
        ({"bounds": (1, 2, None, 4)}, r"bounds = \(1, 2, None, 4\): must be tuple"),
        ({"resolution": "20"}, r"resolution = '20': must be float \| None"),
        ({"resampling": "lanczos", "resolution": 20}, "resampling = 'lanczos': must be nearest,"),
        ({"source_resolution": 15}, "source_resolution = 15: must be auto, 10, 20, 60, 120, 360,"),
        ({"on_error": "ignore"}, "on_error = 'ignore': must be fail, nodata"),
        ({"bidx": "3,2,1"}, r"bidx = '3,2,1': must be tuple\[int, ...\]"),
        ({"nodata": 0}, r"nodata = 0: must be tuple\[float, ...\]"),
        ({"offset": "auto"}, r"offset = 'auto': must be int \| None"),
        ({"offset": -1000.5}, r"offset = -1000.5: must be int \| None"),
        ({"timeout": None}, "timeout = None: must be float"),
        ({"timeout": True}, "timeout = True: must be float"),
        ({"strict": "no"}, "strict = 'no': must be bool"),
        ({"profile": {"compress": "zstd"}}, "profile = {'compress': 'zstd'}: must be Profile"),
        ({"granule": np.eye(2)}, r"granule = array\(\[\[1., 0.\], \[0., 1.\]\]\): must be str"),
    ],
)
def test_a_field_of_another_type_is_named(fields, words):
    with pytest.raises(UsageError, match=f"^{words}"):
        job(**fields)


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        (Profile, {"compress": "gzip"}, "compress = 'gzip': must be deflate, zstd"),
        (Profile, {"layout": "COG"}, "layout = 'COG': must be cog, tiled"),
        (Profile, {"mask": "white"}, "mask = 'white': must be nodata,"),
        (Profile, {"overviews": False}, "overviews = False: must be str"),
        (Profile, {"level": "3"}, r"level = '3': must be int \| None"),
        (Stretch, {"white": "0.4"}, "white = '0.4': must be float"),
        (Wanted, {"progress": "dots"}, "progress = 'dots': must be auto, bar, log, none"),
        (Wanted, {"verbose": "no"}, "verbose = 'no': must be bool"),
    ],
)
def test_so_it_is_in_the_parts_of_a_job(kind, fields, words):
    with pytest.raises(UsageError, match=f"^{words}"):
        kind(**fields)


def test_lists_arrays_and_numbers_of_numpy_become_the_annotated_types():
    given = job(
        bounds=np.array([7.5, 47.0, 8.0, 47.5]),
        nodata=[0, np.float32(-1.5)],
        offset=-1000.0,
        resolution=np.int64(20),
        window=np.int64(1024),
    )
    made = job(
        bounds=(7.5, 47.0, 8.0, 47.5), nodata=(0, -1.5), offset=-1000, resolution=20, window=1024
    )
    assert given == made
    assert hash(given) == hash(made)
    types = [type(each) for each in (*given.bounds, *given.nodata, given.offset, given.window)]
    assert types == [float, float, float, float, int, float, int, int]


def test_large_whole_numbers_stay_exact():
    assert job(nodata=[2**63 - 1]).nodata == (2**63 - 1,)


@pytest.mark.parametrize(
    "option",
    [each for each in OPTIONS.values() if each.choices and each.fills in {Job, Profile, Wanted}],
    ids=lambda option: option.key,
)
def test_python_has_the_choices_of_the_command_line(option):
    """One that a class does not check would be taken for another without a word."""
    needed = {"products": "a.SAFE", "output": "rgb.tif", "resolution": 20}
    with pytest.raises(UsageError, match=f"^{option.field} = 'nonsense': must be "):
        option.fills(**(needed if option.fills is Job else {}) | {option.field: "nonsense"})
