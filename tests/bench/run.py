"""The benchmark: this program beside all that could be taken instead, and the machine's limit.

ci/bench [--quick] [--rounds N] [--only PART ...] [--skip KEY ...] [--docs]

All contestants run in turns, round by round; what is compared is the ratio of two times of one
round, and of these the median. An image that is not what it must be ends the benchmark.
Results go to `bench.json` and `bench.md` in the folder.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from bench import check, clouds, growth, imbalance, inputs, limit, replay, startup, table, ways
from bench.contestants import DEFAULT_RANKS, Contestant, contestants
from bench.measure import Run, run
from bench.server import serving
from s2rgb_mpi import gdalenv

PARTS = (
    "contestants",
    "ways",
    "stores",
    "dates",
    "second",
    "limit",
    "imbalance",
    "startup",
    "replay",
    "growth",
)
"""The first ones depend most on an idle machine."""

FORMAT = 3
"""Of `bench.json`: what is there in another one is not kept."""

QUICK_SIZE, FULL_SIZE = 2048, 10_980
"""Edge of the products, pixels."""


def main() -> None:
    gdalenv.configure()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small products: does it all work?")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--skip", nargs="+", default=[], help="keys of contestants")
    parser.add_argument(
        "--workers", nargs="+", type=int, default=[14, 30, 62, 126], help="to replay"
    )
    parser.add_argument("--docs", action="store_true", help="put tables and curve there")
    parser.add_argument("--folder", type=Path, default=Path("bench"))
    options = parser.parse_args()
    size = QUICK_SIZE if options.quick else FULL_SIZE
    rounds = 1 if options.quick else options.rounds
    cores = len(os.sched_getaffinity(0))
    folder = options.folder.resolve() / str(size)
    # As where it is installed: a tree that is run as it is may lack it, or may not write it.
    compileall.compile_dir("s2rgb_mpi", quiet=1)
    say(f"products of {size} x {size} pixels in {folder}")
    made = inputs.make(options.folder, size)
    results: dict[str, Any] = {"format": FORMAT, "machine": machine(cores), "size": size}
    file = folder / "bench.json"
    before = json.loads(file.read_text()) if file.exists() else {}
    if before.get("format") == FORMAT:  # parts that are not run again keep their results
        results = before | results
    steps = {
        "contestants": lambda: compete(made, folder, rounds, cores, options.skip),
        "ways": lambda: ways.measure(ways.ways, made, folder / "ways", rounds),
        "stores": lambda: ways.measure(clouds.stores, made, folder / "stores", rounds),
        "dates": lambda: ways.measure(clouds.dates, made, folder / "dates", rounds),
        "second": lambda: clouds.second(folder / "second", size, rounds),
        "limit": lambda: limit.compared(made, folder, rounds, cores),
        "imbalance": lambda: imbalance.measure(made.half, folder),
        "startup": lambda: startup.measure(folder, rounds),
        "replay": lambda: [
            outcome._asdict()
            for outcome in replay.replays(
                made.safe,
                folder / "replay",
                (14,) if options.quick else options.workers,
                "cog",
                4 if options.quick else replay.WINDOWS_PER_WORKER,
            )
        ],
        "growth": lambda: growth.measure(made.cogs, folder / "granules", options.quick),
    }
    text = ""
    for name in PARTS:
        if name not in options.only:
            continue
        begin = time.monotonic()
        say(name)
        results[name] = steps[name]()
        say(f"{name} took {time.monotonic() - begin:.0f} s")
        results["load_after"] = os.getloadavg()
        file.write_text(json.dumps(results, indent=1))
        text = table.markdown(results, is_full=not options.quick)
        (folder / "bench.md").write_text(text)
    picture = Path("docs/img/scaling.png") if options.docs else folder / "scaling.png"
    if "replay" in results:
        table.plot(results["replay"], picture)
    if options.docs:
        table.into_page(text, Path("docs/benchmarks.md"))
    print(text)


def say(text: str) -> None:
    """Print the progress of the benchmark."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def compete(
    made: inputs.Inputs, folder: Path, rounds: int, cores: int, skip: list[str]
) -> list[dict[str, Any]]:
    """Run all contestants in turns; return what is known of each."""
    entered = contestants(cores)
    runs: dict[str, list[Run]] = {one.key: [] for one in entered}
    checked: dict[str, check.Difference] = {}
    sizes: dict[str, int] = {}
    for number in range(rounds):
        for one in entered:
            if one.absent or one.key in skip or (number and one.slow):
                continue
            image = folder / f"{one.key}.tif"
            image.unlink(missing_ok=True)
            watch = one.ranks == DEFAULT_RANKS
            with serving(made.cogs[0].parent, one.server) if one.server else nullcontext("") as url:
                words = one.command(made._replace(url=url), image)
                done = run(words, one.env, watch=watch)
            if one.key not in checked:
                checked[one.key] = verify(one, image, made.truth)
                sizes[one.key] = image.stat().st_size
            elif image.stat().st_size != sizes[one.key]:
                raise SystemExit(f"bench: {one.name}: not the same size in every round")
            image.unlink()
            runs[one.key].append(done)
            say(f"round {number + 1}, {one.key}: {done.wall:.1f} s, CPU {done.cpu:.1f} s")
    return [
        account(one, runs[one.key], checked.get(one.key), sizes.get(one.key)) for one in entered
    ]


def verify(one: Contestant, image: Path, truth: Path) -> check.Difference:
    """Compare an image with the reference; end the benchmark if it is not the same."""
    difference = check.compare(image, truth, padded=one.padded)
    if difference.largest > one.tolerance:
        raise SystemExit(
            f"bench: {one.name}: a value is off by {difference.largest} of 255, where"
            f" {one.tolerance} is allowed: its time does not count"
        )
    return difference


def account(
    one: Contestant, runs: list[Run], difference: check.Difference | None, nbytes: int | None
) -> dict[str, Any]:
    """Put together what is known of a contestant."""
    told: dict[str, Any] = {"key": one.key, "name": one.name, "kind": one.kind}
    if not runs:
        return told | {"absent": one.absent or "left out this time"}
    last = one.ranks - 1
    return told | {
        "wall": [done.wall for done in runs],
        "cpu": [done.cpu for done in runs],
        "nbytes": nbytes,
        "largest": max(done.largest for done in runs),
        "off": difference._asdict() if difference else None,
        "peak_worker": max(done.peak(range(1, max(2, last))) for done in runs),
        "peak_writer": max(done.peak([last]) for done in runs),
        "others_cpu": statistics.median(idle_share(done, [0, last]) for done in runs),
    }


def idle_share(done: Run, ranks: list[int]) -> float:
    """Return how much of one core some ranks use while the others work; 0 without samples."""
    share = 0.0
    for rank in ranks:
        # From when all have met until the writer finalises, as far as looks every half second tell.
        looks = [look for look in done.looks.get(rank, ()) if 4 < look.at < done.wall - 4]
        if len(looks) > 1:
            share += (looks[-1].cpu - looks[0].cpu) / (looks[-1].at - looks[0].at)
    return share


def machine(cores: int) -> dict[str, Any]:
    """Describe the machine and its software."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in info if "model name" in line), "unknown")
    words = ["mpirun", "--version"]
    mpi = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()[0]
    return {
        "cpu": model,
        "cores": cores,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "system": platform.platform(),
        "python": platform.python_version(),
        "mpi": mpi,
        "load_before": os.getloadavg(),
        "date": time.strftime("%Y-%m-%d"),
    }


if __name__ == "__main__":
    main()
