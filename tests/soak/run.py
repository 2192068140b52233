"""The long run: round after round, each disturbed by its seed, until the image is there.

ci/soak [--rounds N] [--seed S] [--minutes M] [--keep DIR]

Whatever happens to the runs of a round, the image has the bytes of one that nobody disturbed,
every run ends in time, as docs/operations.md says, and leaves no process, and no file that is
not named there.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

from s2rgb_mpi import gdalenv
from soak.lab import Lab, Outcome
from soak.rounds import draw


def main() -> int:
    gdalenv.configure()
    parser = argparse.ArgumentParser(prog="ci/soak", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=500, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the first round (%(default)s)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="then no other begins")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="for what failed rounds have left")
    options = parser.parse_args()
    lab = Lab(options.folder)
    end = time.monotonic() + 60 * options.minutes
    outcomes: list[Outcome] = []
    with contextlib.suppress(KeyboardInterrupt):
        for seed in range(options.seed, options.seed + options.rounds):
            if time.monotonic() > end:
                break
            outcomes.append(perform(lab, seed, options.keep))
    summarise(outcomes)
    return 1 if any(outcome.wrong for outcome in outcomes) else 0


def perform(lab: Lab, seed: int, keep: Path | None) -> Outcome:
    """Perform a round; print what was wrong, and how to repeat it."""
    begun = time.monotonic()
    outcome = lab.perform(draw(seed))
    deeds = ", ".join(run.deed for run in outcome.runs)
    say(f"seed {seed}: {deeds}: {outcome.verdict} ({time.monotonic() - begun:.1f} s)")
    if outcome.wrong:
        for line in outcome.story.splitlines():
            say(f"    {line}")
        say(f"    again: ci/soak --rounds 1 --seed {seed}")
        if keep is not None:
            shutil.copytree(lab.output.parent, keep / str(seed), dirs_exist_ok=True)
            (keep / str(seed) / "round.txt").write_text(outcome.story)
    return outcome


def summarise(outcomes: list[Outcome]) -> None:
    """Say how many runs had what done to them, and how they ended."""
    codes: dict[str, Counter[int]] = defaultdict(Counter)
    late: Counter[str] = Counter()
    for outcome in outcomes:
        for run in outcome.runs:
            if run.in_time:
                codes[run.deed][run.code] += 1
            else:
                late[run.deed] += 1
    say(f"{'what was done':<28}{'runs':>6}{'too late':>10}  exit codes")
    for deed in sorted(codes.keys() | late.keys()):
        ended = ", ".join(f"{code} ({count})" for code, count in sorted(codes[deed].items()))
        say(f"{deed:<28}{codes[deed].total() + late[deed]:>6}{late[deed]:>10}  {ended}")
    by_mpi = sum(run.by_mpi for outcome in outcomes for run in outcome.runs)
    say(f"files that the MPI library left where a run was alone or did not end well: {by_mpi}")
    failed = [outcome.seed for outcome in outcomes if outcome.wrong]
    seeds = f": seeds {', '.join(map(str, failed))}" if failed else ""
    say(f"{len(outcomes)} rounds, {len(failed)} failed{seeds}")


def say(words: str) -> None:
    print(f"soak: {words}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
