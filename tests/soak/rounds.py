"""The rounds of the long run: each is determined by its seed."""

from __future__ import annotations

import random
from typing import NamedTuple

from geotiffs import PROFILES
from s2rgb_mpi.plan.job import RESAMPLINGS
from soak import inputs
from soak.inputs import Input

DEEDS = {
    "nothing": 1,
    "kill a rank": 6,
    "kill the launcher": 2,
    "kill all": 2,
    "SIGTERM": 1,
    "SIGINT": 1,
    "SIGUSR1": 2,
    "SIGUSR1 to a rank": 1,
    "pause a rank": 3,
    "pause all": 1,
    "stop a rank": 3,
    "small disk": 3,
    "fill the disk": 3,
    "rival": 1,
}
"""What is done to a run, and how often beside the others."""

OF_LONE = {
    "kill a rank": "kill all",
    "SIGUSR1 to a rank": "SIGUSR1",
    "kill the launcher": "kill all",
}
"""What of it comes to the same where there is one process, without a launcher."""

DAMAGES = (
    "cut the partial file",
    "cut the journal",
    "flip in the partial file",
    "flip in the journal",
)
"""What is done, now and then, to the files that a run has left."""

MOST_STEPS = 4
"""Disturbed runs of a round; then it may go on to its end."""


class Moment(NamedTuple):
    """A moment of a run."""

    mark: str
    """What is there first: a process, one that takes signals, the lock, bytes of the partial file
    or of the finalised one."""
    share: float
    """Of the bytes that the image will have; for the partial file alone."""
    seconds: float
    """How long after that."""


class Step(NamedTuple):
    """One run of a round, and what is done to it."""

    deed: str
    ranks: int | None
    """Without a number, the program runs without a launcher."""
    rank: int
    """The one that it is done to, where it is one."""
    moment: Moment
    amount: float
    """Seconds of a pause; room on a small disk, in sizes of the image."""
    commit_seconds: float
    """How often the journal is brought to the disk."""
    pace_seconds: float
    """How much longer each window takes."""
    damage: str | None
    """What is done afterwards to the files that are left."""
    place: float
    """Where in the file, 0 to 1."""
    option: str
    """Of a rival run."""


class Round(NamedTuple):
    """An image that is made in spite of all."""

    seed: int
    source: Input
    options: tuple[str, ...]
    """What decides the bytes."""
    tells: bool
    """Whether the run writes reports too."""
    steps: tuple[Step, ...]
    ranks: int | None
    """Of the last run, which nobody disturbs."""


def draw(seed: int) -> Round:
    """Draw a round; the same seed gives the same one."""
    rng = random.Random(seed)  # noqa: S311  no secret
    source = inputs.draw(rng)
    return Round(
        seed,
        source,
        tuple(_options(rng, warps=source.is_safe)),
        rng.random() < 0.2,
        tuple(_step(rng) for _ in range(rng.choice((1, 1, 1, 2, 2, 3, MOST_STEPS)))),
        _ranks(rng),
    )


def _options(rng: random.Random, *, warps: bool) -> list[str]:
    profile = rng.choice(PROFILES)
    tile = rng.choice((64, 64, 128))
    options = [
        "--layout",
        profile.layout,
        "--compress",
        profile.compress,
        "--mask",
        str(profile.mask),
    ]
    options += ["--tile", str(tile), "--window", str(tile * rng.choice((1, 2, 4)))]
    if profile.compress != "jpeg" and rng.random() < 0.4:
        options.append("--sparse")
    if rng.random() < 0.1:
        options += ["--overviews", "none"]
    if rng.random() < 0.1:
        options += ["--preset", "tci"]
    if warps and rng.random() < 0.25:
        options += rng.choice(
            (["--crs", "EPSG:2056"], ["--crs", "EPSG:3857"], ["--resolution", "20"])
        )
        options += ["--resampling", rng.choice(RESAMPLINGS)]
    return options


def _ranks(rng: random.Random) -> int | None:
    return rng.choice((None, None, 1, 2, 2, 3, 3, 4, 4, 5, 6))


def _step(rng: random.Random) -> Step:
    (deed,) = rng.choices(list(DEEDS), list(DEEDS.values()))
    ranks = _ranks(rng)
    if deed == "stop a rank":  # which others have to notice
        ranks = max(ranks or 2, 2)
    if ranks is None:
        deed = OF_LONE.get(deed, deed)
    mark = rng.choice(("process", "lock", "part", "part", "part", "final"))
    if deed.startswith("SIG") and mark == "process":  # Python itself knows nothing of them
        mark = "signals"
    rank = rng.randrange(ranks or 1)
    if deed == "stop a rank" and mark == "process":  # inside MPI nobody notices
        mark = "lock"
    if (deed, rank, mark) == ("stop a rank", 0, "lock"):  # who makes the plan may take its time
        mark = "part"
    if deed == "rival":
        mark = "lock"
    amount = rng.uniform(0.1, 1.5)
    if deed == "small disk":
        amount = rng.choice((0.0, rng.uniform(0, 0.2), rng.uniform(0, 2.2)))
    seconds = rng.choice((0.0, rng.uniform(0, 0.05), rng.uniform(0, 0.5)))
    return Step(
        deed,
        ranks,
        rank,
        Moment(mark, rng.uniform(0, 1), seconds),
        amount,
        rng.choice((0.0, 0.05, 1.0)),
        rng.choice((0.0, 0.0, 0.02, 0.05)),
        rng.choice(DAMAGES) if rng.random() < 0.25 else None,
        rng.random(),
        rng.choice(("--resume", "--overwrite", "--quiet")),
    )
