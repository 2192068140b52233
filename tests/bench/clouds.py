"""Composites of several dates and EOPF stores, each beside what a user of xarray would take.

And the cost of a second date, which should be that of the windows for which it is needed.
"""

from __future__ import annotations

import os
import statistics
from typing import TYPE_CHECKING, Any

from bench.contestants import BENCH_PYTHON, DEFAULT_RANKS, LEVEL, PEERS, program
from bench.dated import items, pair
from bench.inputs import OFFSET, store
from bench.measure import run
from bench.ways import LAYOUT, Way

if TYPE_CHECKING:
    from pathlib import Path

    from bench.inputs import Inputs

COG = ("--layout", "cog", "--level", LEVEL)
MEDIAN = ("--clouds", "avoid", "--composite", "median")
DATES = 8

THIRD, NONE = 0.45, 0.05
"""Targets: what a second date costs that a third of the windows need, or none; of it alone."""


def stores(made: Inputs, folder: Path) -> list[Way]:
    """List the ways from EOPF stores; stores that are missing are made first."""
    zarr = store(folder.parent / "store", made.size)
    return [
        Way(
            "store-dask",
            "EOPF store → COG",
            "xarray, odc-geo `save_cog_with_dask`, a worker a core",
            0.3,
            lambda _: [zarr],
            lambda _, image, __: [
                BENCH_PYTHON, PEERS / "dask_store.py", cores(), OFFSET, zarr, image, LEVEL
            ],
            layout=COG,
        )
    ]  # fmt: skip


def dates(made: Inputs, folder: Path) -> list[Way]:
    """List the ways to a composite; dates that are missing are made first."""
    entered = items(folder.parent / "items", made.size, DATES)
    return [
        Way(
            "median",
            f"median of the clear pixels of {DATES} dates, COG → COG",
            "odc-stac, xarray, odc-geo `save_cog_with_dask`, a worker a core",
            0.5,
            lambda _: [*entered, *MEDIAN],
            lambda _, image, __: [
                BENCH_PYTHON, PEERS / "odc_median.py", cores(), image, LEVEL, *entered
            ],
            layout=COG,
            most_memory=0.2,
        )
    ]  # fmt: skip


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def second(folder: Path, size: int, rounds: int) -> dict[str, Any]:
    """Measure what a second date costs beside the first, and alone.

    The first date alone is not asked for its clouds: the classifications of both are part of the
    cost.
    """
    dated = pair(folder, size)
    needed, windows = dated.needed()
    avoid = ("--clouds", "avoid")
    jobs: dict[str, list[object]] = {
        "cloudy": [dated.cloudy],
        "clear": [dated.clear],
        "second": [dated.second],
        "cloudy, second": [dated.cloudy, dated.second, *avoid],
        "clear, second": [dated.clear, dated.second, *avoid],
    }
    image = folder / "image.tif"
    runs = [
        {name: run(program(DEFAULT_RANKS, words, image, *LAYOUT)) for name, words in jobs.items()}
        for _ in range(rounds)
    ]
    image.unlink()

    def middle(name: str, first: str, of: str | None) -> float:
        extra = (getattr(one[f"{first}, second"], name) - getattr(one[first], name) for one in runs)
        alone = (getattr(one[of], name) if of else 1.0 for one in runs)
        return statistics.median(a / b for a, b in zip(extra, alone, strict=True))

    return {
        "windows": windows,
        "alone": statistics.median(one["second"].wall for one in runs),
        "rows": [
            {
                "windows": count,
                "most": most,
                "extra": middle("wall", first, None),
                "wall": middle("wall", first, "second"),
                "cpu": middle("cpu", first, "second"),
            }
            for first, count, most in (("cloudy", needed, THIRD), ("clear", 0, NONE))
        ],
    }
