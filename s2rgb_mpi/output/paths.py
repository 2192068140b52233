"""The files of a run, beside its output."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from s2rgb_mpi.plan.plan import Plan


def part_path(plan: Plan) -> Path:
    """Return the file that holds the blocks while the run lasts."""
    return _beside(plan, "part")


def journal_path(plan: Plan) -> Path:
    """Return the file that lists the blocks which are safely in the partial file."""
    return _beside(plan, "journal")


def final_path(plan: Plan) -> Path:
    """Return the file that becomes the output by its name alone."""
    return _beside(plan, "final")


def map_paths(plan: Plan) -> tuple[Path, ...]:
    """Return the files in which the map of sources is made: its pixels, the map, its names.

    GDAL writes names beside the pixels too where it could not finish.
    """
    path = plan.job.source_map
    if path is None:
        return ()
    return tuple(
        path.with_name(f"{path.name}.{end}")
        for end in ("part", "final", "final.aux.xml", "part.aux.xml")
    )


def made_paths(plan: Plan) -> dict[Path, str]:
    """Return the files that a run makes beside those that are named, with the options of these."""
    beside = (part_path, journal_path, final_path, lock_path)
    found = dict.fromkeys((path(plan) for path in beside), "--output")
    maps = map_paths(plan)
    if plan.job.source_map is not None:
        maps += (names_path(plan.job.source_map),)
    return found | dict.fromkeys(maps, "--source-map")


def names_path(source_map: Path) -> Path:
    """Return the file with the names of the products, beside the map of sources."""
    return source_map.with_name(f"{source_map.name}.aux.xml")


def lock_path(plan: Plan) -> Path:
    """Return the file that keeps other runs from this output."""
    return _beside(plan, "lock")


def _beside(plan: Plan, suffix: str) -> Path:
    return plan.job.output.with_name(f"{plan.job.output.name}.{suffix}")
