"""The contestants: this program and its alternatives, each with its command."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.inputs import Inputs

from bench.inputs import OFFSET
from bench.server import Server

PEERS = Path(__file__).parent / "peers"

BENCH_PYTHON = Path(".venv-bench/bin/python").absolute()
"""Of the environment that ci/bench makes for rio-color and dask."""

WHEELS_PYTHON = Path(".venv-wheels/bin/python").absolute()
"""Of the environment that `ci/setup --stack wheels` makes, with a GDAL that has pipelines."""

LEVEL = 1
"""Of DEFLATE where all have the same: this program's default."""

DEFAULT_RANKS = 4

SERVERS = {
    "ours-served": ("COG on a server, 0.1 s → tiled", Server(0.1)),
    "ours-served-far": ("COG on a server, 1 s, 20 MB/s → tiled", Server(1.0, 20e6)),
}
"""How long a server takes to answer, and what a connection has."""

EXACT, ROUNDED = 0, 1
"""How many steps of 256 a value may be off: GDAL has no rule that a valid pixel is never 0, and
float32 rounds otherwise now and then."""

CURVED = 3
"""rio-color starts from uint16 that are scaled before."""


@dataclass(frozen=True)
class Contestant:
    """A program with its arguments.

    Parameters
    ----------
    key : str
        Key of its results.
    name : str
        For readers.
    kind : str
        Kind of input and output; only contestants of one kind are compared.
    command : callable
        From inputs and the output's path to the words of the command.
    tolerance : int
        How far a value of its image may be from the reference.
    ranks : int
        Of this program, or processes of others that can be told how many; 0 for "all cores".
    slow : bool
        Whether it takes minutes, and is run in the first round only.
    needs : path, optional
        What must be there.
    padded : bool
        Whether it rounds the size of the image up.
    server : Server, optional
        Runs meanwhile, and has the COGs at ``inputs.url``.
    """

    key: str
    name: str
    kind: str
    command: Callable[[Inputs, Path], Sequence[object]]
    tolerance: int = EXACT
    ranks: int = 0
    slow: bool = False
    needs: Path | None = None
    padded: bool = False
    server: Server | None = None
    env: dict[str, str] = field(default_factory=dict)

    @property
    def absent(self) -> str:
        """Why it cannot run; empty if it can."""
        return f"no {self.needs}" if self.needs and not self.needs.exists() else ""


def contestants(cores: int) -> list[Contestant]:
    """List all of them, those that are compared side by side."""
    counts = sorted({1, 2, DEFAULT_RANKS, cores + 2, 16})
    same = ("--level", LEVEL)
    tiled, cog = ("--layout", "tiled", *same), ("--layout", "cog", *same)
    return [
        *(ours(f"ours-{n}", "JP2 → tiled", n, *tiled, slow=n < DEFAULT_RANKS) for n in counts),
        gdal("gdal-tiled", "JP2 → tiled", to_tiled(LEVEL)),
        gdal("gdal-tiled-default", "JP2 → tiled", to_tiled(None), note=", its default level"),
        Contestant(
            "gdal-pipeline",
            "`gdal raster pipeline`, all threads",
            "JP2 → tiled",
            pipeline,
            tolerance=ROUNDED,
            needs=WHEELS_PYTHON,
        ),
        Contestant(
            "rio-color",
            "`rio color`, a job a core",
            "JP2 → tiled",
            lambda inputs, output: rio_color(inputs, output, cores),
            tolerance=CURVED,
            slow=True,
            needs=BENCH_PYTHON,
        ),
        ours("ours-cog", "JP2 → COG", DEFAULT_RANKS, *cog),
        gdal("gdal-cog", "JP2 → COG", to_cog(LEVEL), note=", COG driver"),
        Contestant(
            "dask-cog",
            "dask, odc-geo `save_cog_with_dask`, a worker a core",
            "JP2 → COG",
            lambda inputs, output: dask(inputs, output, cores),
            tolerance=ROUNDED,
            slow=True,
            needs=BENCH_PYTHON,
            padded=True,
        ),
        ours("ours-from-cog", "COG → tiled", DEFAULT_RANKS, *tiled, from_cog=True),
        *(served(key, kind, *tiled, server=server) for key, (kind, server) in SERVERS.items()),
        gdal("gdal-from-cog", "COG → tiled", to_tiled(LEVEL), from_cog=True),
        ours(
            "ours-lzw", "JP2 → tiled, LZW", DEFAULT_RANKS, "--layout", "tiled", "--compress", "lzw"
        ),
        Contestant(
            "queue-writer",
            f"queue-writer, multiprocessing, {DEFAULT_RANKS} processes",
            "JP2 → tiled, LZW",
            lambda inputs, output: [
                sys.executable,
                PEERS / "queue_writer.py",
                DEFAULT_RANKS,
                *exercise(inputs, output),
            ],
            ranks=DEFAULT_RANKS,
            slow=True,
        ),
        Contestant(
            "rank0-writer",
            f"queue-writer as MPI, {DEFAULT_RANKS} ranks, rank 0 writes",
            "JP2 → tiled, LZW",
            lambda inputs, output: [
                *mpirun(DEFAULT_RANKS),
                PEERS / "rank0_writer.py",
                *exercise(inputs, output),
            ],
            ranks=DEFAULT_RANKS,
            slow=True,
        ),
    ]


def mpirun(ranks: int) -> list[object]:
    """Return the words that start a Python program on so many ranks."""
    return ["mpirun", "-n", ranks, sys.executable]


def program(ranks: int, source: Sequence[object], output: Path, *options: object) -> list[object]:
    """Return the words that run this program."""
    start = [*mpirun(ranks), "-m", "s2rgb_mpi", "--quiet"]
    return [*start, *source, "-o", output, "--overwrite", *options]


def ours(
    key: str, kind: str, ranks: int, *options: object, from_cog: bool = False, slow: bool = False
) -> Contestant:
    """Enter this program."""
    return Contestant(
        key,
        f"**s2rgb_mpi, {ranks} rank{'s' * (ranks > 1)}**",
        kind,
        lambda inputs, output: program(
            ranks, cog_words(inputs) if from_cog else [inputs.safe], output, *options
        ),
        ranks=ranks,
        slow=slow,
    )


def served(key: str, kind: str, *options: object, server: Server) -> Contestant:
    """Enter this program with the COGs on a server."""
    local = ours(key, kind, DEFAULT_RANKS, *options, from_cog=True)

    def command(inputs: Inputs, output: Path) -> Sequence[object]:
        urls = [f"{inputs.url}/{path.name}" for path in inputs.cogs]
        words = ["--rgb", *urls, "--offset", OFFSET]
        return program(DEFAULT_RANKS, words, output, *options)

    return replace(local, command=command, server=server)


def cog_words(inputs: Inputs) -> list[object]:
    """Return this program's words for the COGs, which know nothing of an offset."""
    return ["--rgb", *inputs.cogs, "--offset", OFFSET]


def gdal(
    key: str, kind: str, options: Sequence[str], *, from_cog: bool = False, note: str = ""
) -> Contestant:
    """Enter GDAL's recipe: `gdalbuildvrt -separate`, then `gdal_translate -scale -exponent`."""
    scale = ["-scale", str(-OFFSET), str(10_000 - OFFSET), "0", "255", "-exponent", str(1 / 2.2)]
    threads = ["-co", "NUM_THREADS=ALL_CPUS", "--config", "GDAL_NUM_THREADS", "ALL_CPUS"]
    return Contestant(
        key,
        f"GDAL {version('gdal_translate')}, all threads{note}",
        kind,
        lambda inputs, output: [
            *["gdal_translate", "-q", "-ot", "Byte", "-a_nodata", "0", *scale, *options, *threads],
            inputs.cog_stack if from_cog else inputs.stack,
            output,
        ],
        tolerance=ROUNDED,
    )


def to_tiled(level: int | None) -> list[str]:
    """Return GDAL's options for the same tiled GeoTIFF; without a level, its default."""
    names = ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "PHOTOMETRIC=RGB"]
    names += ["COMPRESS=DEFLATE", "PREDICTOR=2"] + ([f"ZLEVEL={level}"] if level else [])
    return [word for name in names for word in ("-co", name)]


def to_cog(level: int) -> list[str]:
    """Return GDAL's options for the same Cloud Optimized GeoTIFF."""
    names = [f"LEVEL={level}", "COMPRESS=DEFLATE", "PREDICTOR=YES", "OVERVIEW_RESAMPLING=AVERAGE"]
    return ["-of", "COG", *[word for name in names for word in ("-co", name)]]


def pipeline(inputs: Inputs, output: Path) -> list[object]:
    """Return the pipeline of GDAL 3.11 and later that does the same."""
    return [WHEELS_PYTHON, PEERS / "raster_pipeline.py", inputs.stack, output, OFFSET, LEVEL]


def rio_color(inputs: Inputs, output: Path, jobs: int) -> list[object]:
    """Return the command of rio-color; what it cannot do, a virtual dataset does before."""
    profile = ["compress=deflate", f"zlevel={LEVEL}", "predictor=2", "tiled=true"]
    profile += ["blockxsize=512", "blockysize=512", "photometric=rgb", "driver=GTiff"]
    options = [word for item in profile for word in ("--co", item)]
    rio = BENCH_PYTHON.with_name("rio")
    curve = ["gamma", "rgb", "2.2"]
    return [rio, "color", "-j", jobs, "-d", "uint8", *options, inputs.scaled, output, *curve]


def dask(inputs: Inputs, output: Path, workers: int) -> list[object]:
    """Return the command of the dask pipeline."""
    return [BENCH_PYTHON, PEERS / "dask_cog.py", workers, OFFSET, *bands(inputs), output, LEVEL]


def exercise(inputs: Inputs, output: Path) -> list[object]:
    """Return the arguments of the design that this program comes from, with its own codec."""
    return [OFFSET, *bands(inputs), output, "COMPRESS=LZW", "PREDICTOR=2"]


def bands(inputs: Inputs) -> list[Path]:
    """List the JPEG 2000 files: red, green, blue."""
    images = inputs.safe.glob("GRANULE/*/IMG_DATA/R10m/*_B0?_10m.jp2")
    return sorted(images, reverse=True)


def version(tool: str) -> str:
    """Return the release of one of GDAL's tools."""
    if not shutil.which(tool):
        return "absent"
    words = subprocess.run([tool, "--version"], check=True, capture_output=True, text=True).stdout
    return words.split()[1].rstrip(",")
