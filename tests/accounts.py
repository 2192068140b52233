"""An invented account of a run, with round numbers: for the tests of the files made of it."""

from datetime import UTC, datetime
from typing import Any

from s2rgb_mpi.report.run_record import Account, BandAccount
from s2rgb_mpi.timing import Span, Tally

UTM = (
    'PROJCRS["UTM 32N",BASEGEOGCRS["WGS 84",DATUM["World Geodetic System 1984",'
    'ELLIPSOID["WGS 84",6378137,298.257223563]]],CONVERSION["UTM zone 32N",'
    'METHOD["Transverse Mercator"]],CS[Cartesian,2],AXIS["(E)",east],AXIS["(N)",north],'
    'LENGTHUNIT["metre",1],ID["EPSG",32632]]'
)

ROLES = ("coordinator", "worker", "worker", "writer")


def make_tally(rank: int, role: str, *, wall: float = 10.0, **seconds: float) -> Tally:
    """Return a tally on the common clock; underscores in the names of stages become hyphens."""
    stages = {stage.replace("_", "-"): value for stage, value in seconds.items()}
    return Tally(
        role,
        stages,
        peak_nbytes=100_000_000 * (rank + 1),
        rank=rank,
        windows=3 if "worker" in role else 0,
        host="node1",
        cores=8,
        start_seconds=1.0,
        begin=0.0,
        end=wall,
    )


def make_tallies() -> list[Tally]:
    """Two workers that decode for 8 and 9 of 10 s, and a writer that mostly waits."""
    tallies = [
        make_tally(0, ROLES[0], idle=10.0),
        make_tally(1, ROLES[1], open=0.1, read=8.0, render=0.4, encode=1.0, idle=0.5),
        make_tally(2, ROLES[2], open=0.1, read=9.0, render=0.4, encode=0.2, idle=0.3),
        make_tally(3, ROLES[3], receive=0.5, append=0.3, overviews=0.1, finalise=0.1, idle=9.0),
    ]
    tallies[0].spans = [Span("idle", None, 0.0, 10.0)]
    tallies[1].spans = [Span("open", None, 0.0, 0.1), Span("read", 0, 0.1, 8.1)]
    tallies[2].spans = [Span("read", 5, 0.1, 9.1), Span("encode", 5, 9.5, 9.8)]
    tallies[3].spans = [Span("idle", None, 0.0, 9.0), Span("finalise", None, 9.9, 10.0)]
    return tallies


def make_band(name: str, mean: int) -> BandAccount:
    """Return a band whose valid pixels, three quarters of all, have twenty values."""
    histogram = [0] * 256
    histogram[mean - 10 : mean + 10] = [90_000] * 20
    statistics = {
        "minimum": mean - 10,
        "maximum": mean + 10,
        "mean": float(mean),
        "stddev": 10.0,
        "valid_percent": 75.0,
    }
    curve = [(value, (value / 255) ** 2.2) for value in range(1, 256)]
    return BandAccount(name, histogram, statistics, curve)


def make_account(**changes: Any) -> Account:
    """Return the account of 6 windows, 2.4 Mpx, in 11 s by 4 ranks."""
    calibration = {"offset": -1000, "quantification": 10_000.0, "nodata": [0], "masks": []}
    names = ("B04", "B03", "B02")
    values: dict[str, Any] = {
        "command": ["S2A <odd> & name.SAFE", "-o", "rgb.tif"],
        "job": {
            "products": ("S2A <odd> & name.SAFE",),
            "rgb": (),
            "output": "rgb.tif",
            "stretch": {"preset": "boa", "black": 0.0, "white": 1.0, "gamma": 2.2},
            "profile": {"compress": "zstd", "tile": 512, "mask": "nodata", "layout": "cog"},
            "window": 1024,
        },
        "inputs": [
            {
                "name": "S2A <odd> & name",
                "sensing_time": "2022-06-13T10:30:41.024Z",
                "baseline": "05.09",
                "block": (1024, 1024),
                "offset_source": "the product's own list",
                "pixel": 10.0,
                "unit": "m",
                "factor": 1,
                "offset_check": "agrees (1000 pixels)",
                "pixels": 2_000_000,
                "bands": [{"name": name, "path": f"{name}.jp2"} | calibration for name in names],
            }
        ],
        "grid": {
            "crs": UTM,
            "transform": (0.0, 10.0, 0.0, 0.0, 0.0, -10.0),
            "width": 2000,
            "height": 1200,
        },
        "plan": {
            "digest": "0" * 64,
            "edge": (1024, 1024),
            "levels": 2,
            "workers": 2,
            "worker_nbytes": 150_000_000,
            "writer_nbytes": 160_000_000,
            "output_nbytes": 9_000_000,
        },
        "output": {"path": "rgb.tif", "nbytes": 3_600_000, "layout": "cog", "compress": "zstd"},
        "windows": [(col, row, 700, 600) for row in (0, 600) for col in (0, 700, 1400)],
        "empty": [4, 1],
        "bands": [make_band(name, mean) for name, mean in zip(names, (80, 90, 100), strict=True)],
        "tallies": make_tallies(),
        "wall": 10.0,
        "ended": datetime(2026, 11, 27, 9, 30, 15, tzinfo=UTC),
        "versions": dict.fromkeys(("s2rgb_mpi", "python", "numpy", "gdal", "mpi4py", "mpi"), "1"),
    }
    return Account(**(values | changes))
