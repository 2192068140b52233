"""A job in a file: as on the command line, which takes precedence; errors name the file."""

from pathlib import Path

import pytest

from s2rgb_mpi.cli import parse
from s2rgb_mpi.errors import UsageError

WHOLE = """
products = ["a.SAFE", "b.SAFE"]
output = "rgb.tif"
source-resolution = 20
offset = -1000
quantification = "auto"
strict = true
black = 0.01
bounds = [-7.9, 46.5, 8.9, 47.2]
crs = "EPSG:2056"
compress = "zstd"
level = 3
tile = 256
overwrite = false
on_error = "nodata"
timeout = 60
report = "r.json"
"""

SAME = [
    *("a.SAFE", "b.SAFE", "-o", "rgb.tif", "--source-resolution", "20", "--offset", "-1000"),
    *("--strict", "--black", "0.01", "--bounds", "-7.9", "46.5", "8.9", "47.2", "--crs"),
    *("EPSG:2056", "--compress", "zstd", "--level", "3", "--tile", "256", "--on-error", "nodata"),
    *("--timeout", "60", "--report", "r.json"),
]


@pytest.fixture
def file(tmp_path):
    """The function that writes a job file and returns its name."""

    def write(text):
        path = tmp_path / "job.toml"
        path.write_text(text)
        return str(path)

    return write


def test_a_file_is_as_good_as_the_command_line(file):
    assert parse.parse(["--job", file(WHOLE)]) == parse.parse(SAME)


def test_the_command_line_wins(file):
    options = ["--level", "9", "-o", "other.tif", "--offset", "auto", "--overwrite"]
    order = parse.parse([*options, "--job", file(WHOLE)])
    assert order == parse.parse([*SAME, *options])


@pytest.mark.parametrize(
    "inputs",
    [["c.SAFE"], ["--rgb", "r", "g", "b"], ["--rgb", "r", "g", "b", "--rgb", "x", "y", "z"]],
)
@pytest.mark.parametrize(
    "there", ['products = ["a", "b"]', 'products = "a"', 'rgb = ["1", "2", "3"]']
)
def test_inputs_on_the_command_line_replace_those_of_the_file(file, inputs, there):
    order = parse.parse(["--job", file(f'{there}\noutput = "o.tif"'), *inputs])
    assert order == parse.parse([*inputs, "-o", "o.tif"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('rgb = ["r", "g", "b"]', ["--rgb", "r", "g", "b"]),
        (
            'rgb = [["r", "g", "b"], ["x", "y", "z"]]',
            ["--rgb", "r", "g", "b", "--rgb", "x", "y", "z"],
        ),
        ('rgb = ["r", "g", "b", "s"]', ["--rgb", "r", "g", "b", "s"]),
        (
            'rgb = [["r", "g", "b", "s"], ["x", "y", "z"]]',
            ["--rgb", "r", "g", "b", "s", "--rgb", "x", "y", "z"],
        ),
        (
            'products = "a"\nclouds = "drop"\ncloud-classes = ["cloud", 3]',
            ["a", "--clouds", "drop", "--cloud-classes", "cloud,3"],
        ),
        (
            'products = "a"\nclouds = "drop"\ncloud_classes = 9\ncloud_buffer = 60\nmax-cloud = 20',
            ["a", "--clouds=drop", "--cloud-classes=9", "--cloud-buffer=60", "--max-cloud=20"],
        ),
        ('products = "a.tif"\nnodata = -10000', ["a.tif", "--nodata", "-10000"]),
        ('products = "a.tif"\nnodata = 0.5', ["a.tif", "--nodata", "0.5"]),
        ('products = "a.tif"\nnodata = "-10000,0"', ["a.tif", "--nodata", "-10000,0"]),
        ('products = "a.tif"\nnodata = [-10000, 0.5, nan]', ["a.tif", "--nodata", "-10000,0.5"]),
        ('products = "a.tif"\nbidx = [4, 3, 2]', ["a.tif", "--bidx", "4,3,2"]),
        ('products = "a.tif"\nbidx = "4,3,2"', ["a.tif", "--bidx", "4,3,2"]),
        ('products = "a"\nverbose = true\ndry-run = true', ["a", "-v", "--dry-run"]),
    ],
)
def test_options_of_several_values_are_lists(file, text, words):
    path = file(f'output = "rgb.tif"\n{text}')
    assert parse.parse(["--job", path]) == parse.parse([*words, "-o", "rgb.tif"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("level = ", "not TOML: "),
        ("[output]\nlevel = 1", "output = {'level': 1}: must be a string or a number"),
        ("wite = 1", "there is no option 'wite'; did you mean 'white'?"),
        (
            "sourceresolution = 1",
            "there is no option 'sourceresolution'; did you mean 'source-resolution'?",
        ),
        ("qqq = 1", "there is no option 'qqq'; names are those of --help"),
        ("o = 'rgb.tif'", "there is no option 'o'"),
        ("level = 'high'", "argument --level: invalid int value: 'high'"),
        ("level = true", "level = True: must be a string or a number"),
        ("strict = 1", "strict = 1: must be true or false"),
        ("compress = 'lzma'", "argument --compress: invalid choice: 'lzma'"),
        ("bounds = [1, 2, 3]", "argument --bounds: expected 4 arguments"),
        ('rgb = ["r", "g"]', "argument --rgb: expected 3 or 4 arguments, not 2"),
        (
            'clouds = "drop"\ncloud-classes = [true]',
            "cloud-classes = [True]: must be a string or a",
        ),
        ("survive = true", "survive has to stand on the command line"),
        ("job = 'other.toml'", "job has to stand on the command line"),
        ("verbose = true\nquiet = true", "argument -q/--quiet: not allowed with argument -v"),
    ],
)
def test_what_is_wrong_in_the_file_is_one_line_with_its_name(file, text, words):
    path = file(text)
    with pytest.raises(UsageError) as caught:
        parse.parse(["--job", path, "a.SAFE", "-o", "rgb.tif"])
    line = str(caught.value)
    assert line.startswith(f"{path}: {words}")
    assert line.count(path) == 1
    assert "\n" not in line


@pytest.mark.parametrize("content", [b"\xff", b"a = " + b"[" * 100_000])
def test_what_no_text_editor_writes_is_not_toml(tmp_path, content):
    path = tmp_path / "job.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="not TOML"):
        parse.parse(["--job", str(path)])


def test_a_file_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "job.toml"
    with pytest.raises(UsageError, match=f"^{path}: No such file or directory$"):
        parse.parse(["--job", str(path)])


def test_a_file_without_an_output_needs_one_on_the_command_line(file):
    path = file('products = "a.SAFE"')
    assert parse.parse(["--job", path, "-o", "rgb.tif"]).job.output == Path("rgb.tif")
    with pytest.raises(UsageError, match="required: -o/--output"):
        parse.parse(["--job", path])
