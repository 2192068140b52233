"""Whether time per pixel and memory stay flat from one granule to many."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.contestants import DEFAULT_RANKS, program
from bench.inputs import neighbours
from bench.measure import run

EDGES = (1, 2, 3)
"""Granules along an edge."""


GRIDS = {"own": (), "EPSG:2056": ("--crs", "EPSG:2056", "--resampling", "bilinear")}
"""The grid of the image, and the options for it."""


def measure(cogs: tuple[Path, Path, Path], folder: Path, quick: bool) -> list[dict[str, Any]]:  # noqa: FBT001
    """Run mosaics of neighbours; from COGs, which shows the same in a third of the time."""
    return [
        one(cogs, folder, edge, grid) for grid in GRIDS for edge in (EDGES[:2] if quick else EDGES)
    ]


def one(cogs: tuple[Path, Path, Path], folder: Path, edge: int, grid: str) -> dict[str, Any]:
    """Run a mosaic of `edge` x `edge` granules."""
    sources = [word for bands in neighbours(cogs, folder, edge) for word in ("--rgb", *bands)]
    image, report = folder / "mosaic.tif", folder / "mosaic.json"
    words = program(DEFAULT_RANKS, [*sources, *GRIDS[grid]], image, "--report", report)
    done = run(words, watch=True)
    image.unlink()
    told = json.loads(report.read_text())
    pixels = told["grid"]["width"] * told["grid"]["height"]
    return {
        "grid": grid,
        "granules": edge * edge,
        "pixels": pixels,
        "wall": done.wall,
        "ns_per_pixel": told["times"]["wall_seconds"] / pixels * 1e9,
        "peak_worker": done.peak(range(1, DEFAULT_RANKS - 1)),
        "peak_writer": done.peak([DEFAULT_RANKS - 1]),
        "imbalance": told["ranks"][1]["seconds"]["idle"],
    }
