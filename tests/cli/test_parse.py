"""The command line: the job that it gives, errors, and the text of `--help`."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from s2rgb_mpi import __version__
from s2rgb_mpi.cli import parse
from s2rgb_mpi.cli.options import GENERAL, OPTIONS
from s2rgb_mpi.cli.order import Order
from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.image.clouds import read_classes
from s2rgb_mpi.image.profile import Profile
from s2rgb_mpi.image.radiometry import Exopp, Stretch, Tci
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.report.outputs import Wanted

CONTRACT = Path(__file__).parents[3] / "shared" / "cli.md"
LEAST = ["S2A.SAFE", "-o", "rgb.tif"]
WEB = [*LEAST, "--web-optimized"]
NAMES = [name for option in OPTIONS.values() if not option.is_positional for name in option.names]


def test_a_product_and_an_output_are_enough():
    order = parse.parse(LEAST)
    assert order == Order(Job(("S2A.SAFE",), Path("rgb.tif")))


def test_three_band_files_take_the_place_of_a_product():
    job = parse.parse(["--rgb", "r.tif", "g.tif", "b.tif", "-o", "rgb.tif"]).job
    assert (job.products, job.rgb) == ((), (("r.tif", "g.tif", "b.tif"),))
    four = ["r.tif", "g.tif", "b.tif", "scl.tif"]
    job = parse.parse(["--rgb", *four, "--rgb", *four[:3], "-o", "rgb.tif"]).job
    assert job.rgb == (tuple(four), tuple(four[:3]))


def test_products_may_stand_between_options():
    job = parse.parse([*LEAST, "S2B.SAFE", "--tile", "256", "S2C.SAFE"]).job
    assert job.products == (LEAST[0], "S2B.SAFE", "S2C.SAFE")


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        (["--offset", "-1000"], "offset", -1000),
        (["--offset=auto"], "offset", None),
        (["--quantification", "1e4"], "quantification", 10_000.0),
        (["--quantification", "auto"], "quantification", None),
        (["--nodata", "0"], "nodata", (0,)),
        (["--nodata", "-10000"], "nodata", (-10_000,)),
        (["--nodata=-10000"], "nodata", (-10_000,)),
        (["--nodata", "-10000,0,0.5"], "nodata", (-10_000, 0, 0.5)),
        (["--nodata", "-3.4e38,-.5"], "nodata", (-3.4e38, -0.5)),
        (["--nodata", " 7, -1"], "nodata", (7, -1)),
        (["--nodata", "18446744073709551615"], "nodata", (2**64 - 1,)),
        # What is no number is no data in any case.
        (["--nodata", "nan"], "nodata", ()),
        (["--nodata", "-inf,-1,NaN"], "nodata", (-1,)),
        (["--black", "0.02", "--white", ".3", "--gamma", "1"], "stretch", Stretch(0.02, 0.3, 1.0)),
        (["--gamma", "1.8"], "stretch", Stretch(gamma=1.8)),
        (["--preset", "boa", "--white", "0.4"], "stretch", Stretch(white=0.4)),
        (["--preset", "tci"], "stretch", Tci()),
        (["--preset", "exopp"], "stretch", Exopp()),
        (["--clouds", "avoid"], "clouds", "avoid"),
        (["--clouds", "drop", "--cloud-classes", "8"], "cloud_classes", (8,)),
        (["--clouds", "drop", "--cloud-classes", "cloud,3"], "cloud_classes", (3, 8, 9)),
        (["--order", "clear", "--cloud-classes=strict"], "cloud_classes", (1, 3, 7, 8, 9, 10)),
        (["--clouds", "avoid", "--cloud-buffer", "100"], "cloud_buffer", 100.0),
        (["--order", "clear", "--cloud-buffer", "100"], "cloud_buffer", 100.0),
        (["--composite", "median"], "composite", "median"),
        (["--order", "date"], "order", "date"),
        (["--max-cloud", "20"], "max_cloud", 20.0),
        (["--strict"], "strict", True),
        (["--layout", "tiled"], "profile", Profile(layout="tiled")),
        (["--mask", "alpha"], "profile", Profile(mask="alpha")),
        (["--compress", "zstd", "--level", "9"], "profile", Profile(compress="zstd", level=9)),
        (
            ["--compress", "webp", "--quality", "80"],
            "profile",
            Profile("webp", quality=80, mask="internal"),
        ),
        (["--tile", "256"], "profile", Profile(tile=256)),
        (["--web-optimized"], "profile", Profile(tile=256)),
        (["--web-optimized", "--tile", "512"], "profile", Profile(tile=512)),
        (["--web-optimized", "--zoom", "0"], "zoom", 0),
        (["--web-optimized", "--resampling", "nearest"], "resampling", "nearest"),
        (["--window", "2048"], "window", 2048),
        (["--overwrite"], "overwrite", True),
    ],
)
def test_each_option_reaches_the_job(arguments, field, value):
    assert getattr(parse.parse([*LEAST, *arguments]).job, field) == value


def test_web_maps_have_tiles_of_256_in_python_too():
    assert parse.parse(WEB).job == Job(LEAST[0], LEAST[2], web_optimized=True)
    given = Job(LEAST[0], LEAST[2], web_optimized=True, profile=Profile())
    assert given.profile.tile == 512


def test_how_to_go_about_it_is_no_part_of_the_job():
    order = parse.parse([*LEAST, "--dry-run", "-q"])
    assert (order.dry_run, order.quiet) == (True, True)
    assert order.job == parse.parse(LEAST).job


def test_a_plan_may_be_asked_for_with_advice_and_as_json():
    order = parse.parse([*LEAST, "--dry-run"])
    assert (order.advise, order.json) == (False, False)
    order = parse.parse([*LEAST, "--dry-run", "--advise", "--json"])
    assert (order.advise, order.json) == (True, True)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], Wanted()),
        (["--report", "r.json"], Wanted(report=Path("r.json"))),
        (["--html", "r.html"], Wanted(html=Path("r.html"))),
        (["--trace", "t.json"], Wanted(trace=Path("t.json"))),
        (["--quicklook", "q.png"], Wanted(quicklook=Path("q.png"))),
        (["--stac", "i.json"], Wanted(stac=Path("i.json"))),
        (["--log-file", "run.log"], Wanted(log_file=Path("run.log"))),
        (["--progress", "bar"], Wanted(progress="bar")),
        (["-v"], Wanted(verbose=True)),
    ],
)
def test_what_the_run_says_is_no_part_of_the_job(arguments, wanted):
    order = parse.parse([*LEAST, *arguments])
    assert order.wanted == wanted
    assert order.job == parse.parse(LEAST).job


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*LEAST, "--advise"], "--advise goes with --dry-run"),
        ([*LEAST, "--json"], "--json goes with --dry-run"),
        ([*LEAST, "-v", "-q"], "not allowed with argument -v"),
        ([*LEAST, "--progress", "dots"], "invalid choice: 'dots'"),
        ([], "the following arguments are required: PRODUCT, -o/--output (see --help)"),
        (["S2A.SAFE"], "the following arguments are required: -o/--output (see --help)"),
        (["-o", "rgb.tif"], "either PRODUCT or --rgb"),
        ([*LEAST, "--rgb", "r", "g", "b"], "either PRODUCT or --rgb"),
        (["--rgb", "r", "g", "-o", "rgb.tif"], "argument --rgb: expected 3 or 4 arguments, not 2"),
        ([*LEAST, "--wite", "1"], "--wite 1; did you mean --white? (see --help)"),
        ([*LEAST, "--comp", "zstd"], "--comp zstd; did you mean --compress? (see --help)"),
        ([*LEAST, "--resampl=cubic"], "--resampl=cubic; did you mean --resampling? (see --help)"),
        ([*LEAST, "--bounds_crs=X", "--Strict"], "; did you mean --bounds-crs and --strict? (see"),
        ([*LEAST, "--qqq"], "unrecognized arguments: --qqq (see --help)"),
        ([*LEAST, "--compress", "lzma"], "invalid choice: 'lzma'"),
        ([*LEAST, "--offset", "many"], "invalid auto or int value: 'many'"),
        ([*LEAST, "--nodata", "none"], "--nodata: invalid VALUE[,VALUE ...] value: 'none'"),
        ([*LEAST, "--nodata", "1;2"], "--nodata: invalid VALUE[,VALUE ...] value: '1;2'"),
        ([*LEAST, "--nodata", "1,,2"], "--nodata: invalid VALUE[,VALUE ...] value: '1,,2'"),
        ([*LEAST, "--nodata", "--strict"], "--nodata: expected one argument"),
        ([*LEAST, "--nodata"], "--nodata: expected one argument"),
        ([*LEAST, "--white", "bright"], "invalid float value: 'bright'"),
        ([*LEAST, "--white", "-1"], "--white -1 must be above --black 0"),
        ([*LEAST, "--preset", "vivid"], "invalid choice: 'vivid'"),
        (
            [*LEAST, "--preset", "tci", "--gamma", "2.2"],
            "--preset tci is fixed: it takes no --gamma",
        ),
        (
            [*LEAST, "--white", "1", "--preset", "exopp"],
            "--preset exopp is fixed: it takes no --white",
        ),
        (
            [*LEAST, "--cloud-buffer", "100"],
            "--cloud-buffer means nothing without --clouds avoid, --clouds drop or --order clear",
        ),
        (
            [*LEAST, "--clouds", "keep", "--cloud-classes", "8"],
            "--cloud-classes means nothing without --clouds avoid, --clouds drop or --order clear",
        ),
        (
            [*LEAST, "--order", "date", "--cloud-classes", "8"],
            "--cloud-classes means nothing without --clouds avoid, --clouds drop or --order clear",
        ),
        ([*LEAST, "--clouds", "drop", "--cloud-classes", "0"], "--cloud-classes 0: class 0 is no"),
        (
            [*LEAST, "--clouds", "drop", "--cloud-classes", "fog"],
            "--cloud-classes fog: not a class",
        ),
        ([*LEAST, "--clouds", "drop", "--cloud-buffer", "-1"], "--cloud-buffer -1 must be 0 to"),
        ([*LEAST, "--clouds", "drop", "--cloud-buffer", "nan"], "--cloud-buffer nan must be 0 to"),
        ([*LEAST, "--clouds", "drop", "--cloud-buffer", "5001"], "--cloud-buffer 5001 must be"),
        ([*LEAST, "--clouds", "hide"], "invalid choice: 'hide'"),
        ([*LEAST, "--composite", "mean"], "invalid choice: 'mean'"),
        ([*LEAST, "--order", "best"], "invalid choice: 'best'"),
        ([*LEAST, "--max-cloud", "101"], "--max-cloud 101 must be 0 to 100 percent"),
        ([*LEAST, "--max-cloud", "nan"], "--max-cloud nan must be 0 to 100 percent"),
        (
            ["--rgb", "r", "g", "b", "s", "x", "-o", "rgb.tif"],
            "argument --rgb: expected 3 or 4 arguments, not 5",
        ),
        ([*LEAST, "--gamma", "0"], "--gamma must be above 0"),
        ([*LEAST, "--level", "3.5"], "invalid int value: '3.5'"),
        ([*LEAST, "--tile", "100"], "--tile 100"),
        ([*LEAST, "--zoom", "12"], "--zoom means nothing without --web-optimized"),
        ([*WEB, "--crs", "EPSG:2056"], "is in EPSG:3857: it takes no --crs EPSG:2056"),
        ([*WEB, "--resolution", "20"], "takes no --resolution 20; its pixels are those of --zoom"),
        ([*WEB, "--layout", "tiled"], "--web-optimized takes no --layout tiled"),
        ([*WEB, "--zoom", "25"], "--zoom 25 must be 0..24"),
        ([*WEB, "--zoom", "-1"], "--zoom -1 must be 0..24"),
        ([*WEB, "--zoom", "high"], "invalid int value: 'high'"),
        ([*LEAST, "--window", "1000"], "--window 1000 must be a multiple of --tile 512"),
        ([*LEAST, "--window", "256"], "--window 256 must be a multiple of --tile 512"),
        ([*LEAST, "--window", "0"], "--window 0 must be a multiple of --tile 512"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments, words, capsys):
    with pytest.raises(UsageError) as caught:
        parse.parse(arguments)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr() == ("", "")


def help_text(capsys):
    with pytest.raises(SystemExit) as caught:
        parse.parse(["--help"])
    assert caught.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_help_names_every_option(name, capsys):
    assert re.search(rf"(?m)^  (-\w.*, )?{name}\b", help_text(capsys))


@pytest.mark.parametrize(
    "option",
    [option for option in OPTIONS.values() if option.default not in (None, False, ())],
    ids=lambda option: option.key,
)
def test_help_says_every_default(option, capsys):
    # The usage names the option first, and its entry last; lines are wrapped at any word.
    entry = " ".join(help_text(capsys).rpartition(f"{option.name} ")[2].split())
    found = re.search(r"\(default: ([^);]*)[;)]", entry)
    assert found
    default = option.default
    if option.key == "cloud-classes":  # by their names
        assert read_classes(found[1].split(",")) == default
        return
    assert found[1] == (f"{default:g}" if isinstance(default, float) else str(default))


MADE = {
    (Job, "stretch"): "--preset, and the options that fill a Stretch",
    (Job, "profile"): "the options that fill a Profile",
    (Order, "job"): "the options that fill a Job",
    (Order, "wanted"): "the options that fill a Wanted",
}
"""Fields that have no option of their own: what they are made of."""

FILLING_NONE = {option.key for option in GENERAL.options} | {"job"}
"""Options that are no part of a job; of the last the parser takes care."""


@pytest.mark.parametrize("kind", [Job, Profile, Stretch, Wanted, Order])
def test_every_field_has_one_option(kind):
    filled = [option.field for option in OPTIONS.values() if option.fills is kind]
    if kind is Stretch:
        filled.remove("preset")  # it chooses the class
    made = [name for owner, name in MADE if owner is kind]
    assert sorted(filled + made) == sorted(field.name for field in fields(kind))


def test_every_option_fills_a_field():
    nowhere = {option.key for option in OPTIONS.values() if option.fills is None}
    assert nowhere == FILLING_NONE
    assert {option.fills for option in OPTIONS.values()} <= {
        Job,
        Profile,
        Stretch,
        Wanted,
        Order,
        None,
    }


def test_help_says_the_exit_codes(capsys):
    words = " ".join(help_text(capsys).split())
    assert "exit codes: 0 done; 2 usage or input; 3 done, with windows left empty (listed)" in words
    assert "75 stopped by a signal, --resume continues" in words


def test_the_version_is_the_packages(capsys):
    with pytest.raises(SystemExit):
        parse.parse(["--version"])
    assert capsys.readouterr().out == f"s2rgb_mpi {__version__}\n"


@pytest.mark.skipif(not CONTRACT.is_file(), reason="no contract beside the project")
def test_every_option_is_in_the_contract():
    contract = set(re.findall(r"(?<![\w-])(--[a-z0-9-]+|-[a-z])\b", CONTRACT.read_text()))
    assert set(NAMES) - {"-h", "--help", "--version", "--quiet", "--verbose"} <= contract
