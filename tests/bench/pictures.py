"""The pictures of README and docs, made by the program's own functions from a run of ci/demo.

ci/demo && .venv/bin/python tests/bench/pictures.py demo/4096
"""

import argparse
import json
import tempfile
from pathlib import Path

from s2rgb_mpi import Job, convert
from s2rgb_mpi.image.radiometry import Stretch
from s2rgb_mpi.output.geotiff.quicklook import quicklook
from s2rgb_mpi.report import charts
from s2rgb_mpi.timing import Span

PICTURES = Path(__file__).parents[2] / "docs" / "img"

EDGE = 256
"""Of the quicklook, pixels: small, for a file that is in every clone."""

WHITE = 0.4
"""Of the brighter picture of the same scene."""


def brighter(folder: Path) -> bytes:
    """Make the quicklook of the product in a folder, with another --white."""
    products = tuple(map(str, folder.glob("*.SAFE")))
    with tempfile.TemporaryDirectory() as scratch:
        job = Job(products, Path(scratch) / "rgb.tif", stretch=Stretch(white=WHITE))
        return quicklook(str(convert(job).path), EDGE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    record = json.loads((folder / "report.json").read_text())
    rows: dict[str, list[Span]] = {
        f"rank {rank['rank']} {rank['role']}": [] for rank in record["ranks"]
    }
    labels = list(rows)
    for event in json.loads((folder / "trace.json").read_text())["traceEvents"]:
        if event["ph"] == "X":
            begin, end = event["ts"] / 1e6, (event["ts"] + event["dur"]) / 1e6
            rows[labels[event["tid"]]].append(Span(event["name"], None, begin, end))
    wall = record["times"]["wall_seconds"]
    (PICTURES / "gantt.png").write_bytes(charts.gantt(rows, wall=wall, kind="png"))
    (PICTURES / "quicklook.png").write_bytes(quicklook(str(folder / "rgb.tif"), EDGE))
    (PICTURES / f"white-{WHITE:g}.png").write_bytes(brighter(folder))


if __name__ == "__main__":
    main()
