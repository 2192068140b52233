"""The expected results of each reader, which tests/test_readers.py checks.

    python tests/readers/table.py

writes them into docs/readers.md as a table.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "readers.md"
BEGIN, END = "<!-- written by tests/readers/table.py -->\n", "<!-- until here -->\n"

CODECS = ("deflate", "lzw", "none", "zstd", "jpeg", "webp")
MASKS = ("nodata", "internal", "alpha")

SPARSE = tuple(codec for codec in CODECS if codec != "jpeg")
"""The codecs with which tiles can be left out."""

WRONG = "wrong colours, without an error"
"""In place of an error: a wrong image, and no message."""

CLOSE = (8, 0.25)
"""Largest and mean difference of two JPEG decoders, which round and enlarge chroma differently."""

NO_CODEC = "requires the 'imagecodecs' package"


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A program that opens GeoTIFFs, and its expected results."""

    title: str
    package: str
    masks: frozenset[str]
    """Values of ``--mask`` that it knows; with the others "no data" is black and valid."""
    jpeg: str = "exact"
    """``exact``, or ``close``: within :data:`CLOSE` of GDAL's pixels."""
    fails: Mapping[str, str] = field(default_factory=dict)
    """Part of its error, by codec."""
    fails_sparse: Mapping[str, str] = field(default_factory=dict)
    """Part of its error where tiles are left out, by codec, of those it knows."""
    names: bool = False
    """Whether it knows names of bands."""
    node: bool = False
    """Whether it is a package of Node.js."""


ALL = frozenset(MASKS)
ALPHA = frozenset({"alpha"})

READERS = {
    "rasterio": Reader(title="rasterio", package="rasterio", masks=ALL, jpeg="close", names=True),
    "rio-tiler": Reader(
        title="rio-tiler", package="rio-tiler", masks=ALL, jpeg="close", names=True
    ),
    "async-geotiff": Reader(
        title="async-geotiff",
        package="async-geotiff",
        masks=ALL,
        jpeg="close",
        fails_sparse=dict.fromkeys(SPARSE, "Invalid range requested, start: 0 end: 0"),
    ),
    "tifffile": Reader(title="tifffile with imagecodecs", package="tifffile", masks=ALPHA),
    "scikit-image": Reader(
        title="scikit-image with imagecodecs", package="scikit-image", masks=ALPHA
    ),
    "tifffile-alone": Reader(
        title="tifffile or scikit-image without imagecodecs",
        package="tifffile",
        masks=ALPHA,
        fails=dict.fromkeys(("lzw", "jpeg", "webp"), NO_CODEC) | {"zstd": "import of compression"},
    ),
    "pillow": Reader(
        title="Pillow",
        package="pillow",
        masks=ALPHA,
        fails={"webp": "decoder error -2"},
        fails_sparse=dict.fromkeys(SPARSE, "decoder error -2") | {"none": WRONG},
    ),
    "imageio": Reader(
        title="imageio with its plugin pillow",
        package="imageio",
        masks=ALPHA,
        fails={"webp": "decoder error -2"},
        fails_sparse=dict.fromkeys(SPARSE, "decoder error -2") | {"none": WRONG},
    ),
    "opencv": Reader(
        title="OpenCV",
        package="opencv-python-headless",
        masks=ALPHA,
        fails=dict.fromkeys(("zstd", "webp"), "imread returned None"),
        fails_sparse=dict.fromkeys(SPARSE, "imread returned None"),
    ),
    "geotiff.js": Reader(
        title="geotiff.js",
        package="geotiff",
        masks=frozenset({"nodata", "alpha"}),
        jpeg="close",
        fails={"webp": "`createImageBitmap` is not available"},
        node=True,
    ),
    "georaster": Reader(
        title="georaster",
        package="georaster",
        masks=frozenset({"nodata", "alpha"}),
        fails={
            "jpeg": WRONG,
            "zstd": "Unknown compression method identifier: 50000",
            "webp": "Unknown compression method identifier: 50001",
        },
        fails_sparse={"deflate": "buffer error"},
        node=True,
    ),
    "sharp": Reader(
        title="sharp",
        package="sharp",
        masks=ALPHA,
        fails={"zstd": "ZSTD compression support is not configured"},
        fails_sparse=dict.fromkeys(SPARSE, "Invalid tile byte count, tile 0"),
        node=True,
    ),
}


def versions() -> dict[str, str]:
    """Return the minor releases that the readers' environment is pinned to."""
    lines = (HERE / "requirements.txt").read_text().splitlines()
    pins = dict(line.split(" ")[0].split("~=") for line in lines if "~=" in line)
    for package, version in json.loads((HERE / "package.json").read_text())["dependencies"].items():
        pins[package] = version.removeprefix("~")
    return {package: version.rpartition(".")[0] for package, version in pins.items()}


def cells(reader: Reader) -> list[str]:
    """Return the cells of a reader's row."""
    cells = [reader.title, versions()[reader.package]]
    for codec in CODECS:
        error = reader.fails.get(codec)
        close = codec == "jpeg" and reader.jpeg == "close"
        cells.append("≈" if close else "yes")
        if error:
            cells[-1] = "**wrong**" if error == WRONG else "no"
    cells += ["yes" if mask in reader.masks else "black" for mask in MASKS]
    cells.append("no" if reader.fails_sparse else "yes")
    return cells


def errors(reader: Reader) -> str:
    """Return the errors of a reader, each once, with the codecs concerned."""
    sparse = {
        codec: error for codec, error in reader.fails_sparse.items() if codec not in reader.fails
    }
    said = []
    for error in dict.fromkeys([*reader.fails.values(), *sparse.values()]):
        where = [f"`{codec}`" for codec in reader.fails if reader.fails[codec] == error]
        left_out = [f"`{codec}`" for codec in sparse if sparse[codec] == error]
        if left_out:
            where.append("`--sparse` with " + " or ".join(left_out))
        said.append(f"{', '.join(where)}: {error if error == WRONG else f'“{error}”'}")
    return "; ".join(said)


def table() -> str:
    """Return the tables of docs/readers.md."""
    heads = ["reader", "release", *CODECS, *(f"`--mask {mask}`" for mask in MASKS), "`--sparse`"]
    rows = [heads, ["---"] * len(heads), *map(cells, READERS.values())]
    failing = [[reader.title, errors(reader)] for reader in READERS.values() if errors(reader)]
    rows += [[], ["reader", "errors"], ["---"] * 2, *failing]
    return "".join(f"| {' | '.join(row)} |\n" if row else "\n" for row in rows)


def updated(text: str) -> str:
    """Return the document with the table as it should be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(updated(DOCUMENT.read_text()))
