"""The pictures of README and docs, made by the program's own functions from a run of ci/demo.

ci/demo && .venv/bin/python tests/bench/pictures.py demo/4096
ci/demo --clouds && .venv/bin/python tests/bench/pictures.py --clouds demo/4096-clouds
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from osgeo import gdal, gdal_array

from s2rgb_mpi import Job, convert
from s2rgb_mpi.gdalenv import contents, memory_file
from s2rgb_mpi.image.radiometry import Stretch
from s2rgb_mpi.output.geotiff.quicklook import quicklook
from s2rgb_mpi.report import charts
from s2rgb_mpi.timing import Span

PICTURES = Path(__file__).parents[2] / "docs" / "img"

EDGE = 256
"""Of the quicklook, pixels: small, for a file that is in every clone."""

WHITE = 0.4
"""Of the brighter picture of the same scene."""


SIDE_EDGE, GAP = 144, 8
"""Of each of several pictures side by side, and of what is between them, pixels."""


def brighter(product: Path, edge: int = EDGE) -> bytes:
    """Make the quicklook of a product with another --white."""
    with tempfile.TemporaryDirectory() as scratch:
        job = Job((str(product),), Path(scratch) / "rgb.tif", stretch=Stretch(white=WHITE))
        return quicklook(str(convert(job).path), edge)


def side_by_side(pictures: Sequence[bytes]) -> bytes:
    """Put PNG pictures of one height into a row, with transparent gaps."""
    arrays = []
    for picture in pictures:
        with memory_file(".png") as name:
            gdal.FileFromMemBuffer(name, picture)
            arrays += [gdal.Open(name).ReadAsArray()]
            arrays += [np.zeros((4, arrays[-1].shape[1], GAP), np.uint8)]
    row = gdal_array.OpenArray(np.ascontiguousarray(np.concatenate(arrays[:-1], axis=2)))
    row.GetRasterBand(4).SetColorInterpretation(gdal.GCI_AlphaBand)
    with memory_file(".png") as name:
        gdal.GetDriverByName("PNG").CreateCopy(name, row, options=["ZLEVEL=9"])
        return contents(name)


def clouds(folder: Path) -> bytes:
    """Show the dates in a folder, and the image that was made of them."""
    dates = [brighter(product, SIDE_EDGE) for product in sorted(folder.glob("*.SAFE"))]
    return side_by_side([*dates, quicklook(str(folder / "rgb.tif"), SIDE_EDGE)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clouds", action="store_true", help="of a run of ci/demo --clouds")
    parser.add_argument("--into", type=Path, default=PICTURES)
    options = parser.parse_args()
    folder, into = options.folder, options.into
    if options.clouds:
        (into / "clouds.png").write_bytes(clouds(folder))
        return
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
    (into / "gantt.png").write_bytes(charts.gantt(rows, wall=wall, kind="png"))
    (into / "quicklook.png").write_bytes(quicklook(str(folder / "rgb.tif"), EDGE))
    (into / f"white-{WHITE:g}.png").write_bytes(brighter(next(folder.glob("*.SAFE"))))


if __name__ == "__main__":
    main()
