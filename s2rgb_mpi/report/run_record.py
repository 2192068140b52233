"""The account of a run: plain values of the job, the inputs, the work and the output."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from s2rgb_mpi.plan.window_size import window_step
from s2rgb_mpi.redact import redact, shown, without_secrets
from s2rgb_mpi.report.bottleneck import Verdict, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from s2rgb_mpi.timing import Tally


class About(NamedTuple):
    """What only the program itself knows of its run."""

    command: Sequence[str]
    """As it was typed, without the program."""
    mpi: str
    """The MPI library's name and version, in its own words."""
    mpi4py: str
    """Its version."""
    slurm_job_id: str | None
    """Where the run is a job of Slurm."""


@dataclass(frozen=True)
class BandAccount:
    """What became of one band.

    Parameters
    ----------
    name : str
        Such as B04.
    histogram : sequence of int
        Valid pixels per display value 0..255.
    statistics : mapping of str to float
        Minimum, maximum, mean, stddev of the valid pixels, valid_percent; without valid pixels
        only the last.
    curve : sequence of (int, float)
        The table backwards: for each display value that it gives, the least reflectance that
        becomes it.
    """

    name: str
    histogram: Sequence[int]
    statistics: Mapping[str, float]
    curve: Sequence[tuple[int, float]]

    @property
    def darkest(self) -> int:
        """The least display value that the table gives."""
        return self.curve[0][0]

    @property
    def darkest_share(self) -> float:
        """Share of the valid pixels that have it, 0 to 1."""
        return self._share(self.darkest)

    @property
    def saturated_share(self) -> float:
        """Share of the valid pixels that are 255, 0 to 1."""
        return self._share(255)

    def _share(self, value: int) -> float:
        return self.histogram[value] / max(1, sum(self.histogram))


@dataclass(frozen=True)
class Account:
    """All values that the report of a finished run is made of.

    They contain no secrets: names lose query strings and passwords when the account is made.

    Parameters
    ----------
    command : sequence of str
        As it was typed, without the program.
    job, grid, plan, output : mapping
        The job, where the pixels lie, how the work was cut and what it was to cost, and
        what was written; values as JSON has them, sizes in bytes.
    inputs : sequence of mapping
        The products: name, sensing time, baseline, bands with their calibration.
    windows : sequence of (col_off, row_off, width, height)
        In pixels, by number.
    empty : sequence of int
        The windows in which no pixel is valid.
    damaged : mapping of int to str
        The windows that could not be read and were left empty, and why.
    resumed : int
        How many windows an earlier run had left.
    bands : sequence of BandAccount
        Red, green, blue.
    tallies : sequence of Tally
        Of all ranks, settled.
    wall : float
        From the moment that all ranks had met to the end, seconds.
    ended : datetime
        The end, with its time zone.
    versions : mapping of str to str
        Of this program, and of the libraries that make its result.
    slurm_job_id : str, optional
        Where the run was a job of Slurm.
    warnings : sequence of str
        All that were said.
    """

    command: Sequence[str]
    job: Mapping[str, Any]
    inputs: Sequence[Mapping[str, Any]]
    grid: Mapping[str, Any]
    plan: Mapping[str, Any]
    output: Mapping[str, Any]
    windows: Sequence[tuple[int, int, int, int]]
    empty: Sequence[int]
    bands: Sequence[BandAccount]
    tallies: Sequence[Tally]
    wall: float
    ended: datetime
    versions: Mapping[str, str]
    slurm_job_id: str | None = None
    warnings: Sequence[str] = ()
    damaged: Mapping[int, str] = field(default_factory=dict)
    resumed: int = 0

    def __post_init__(self) -> None:
        """Remove the secrets from names, and from texts that contain names."""
        for kind, names in (
            (shown, ("command", "job", "inputs", "output")),
            (redact, ("warnings", "damaged")),
        ):
            for name in names:
                object.__setattr__(self, name, without_secrets(getattr(self, name), kind))

    @property
    def start_seconds(self) -> float:
        """From the beginning of the slowest process to the moment that all ranks had met."""
        return max(tally.start_seconds for tally in self.tallies)

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.start_seconds + self.wall

    @property
    def mpx(self) -> float:
        """Pixels of the image, millions."""
        return float(self.grid["width"] * self.grid["height"] / 1e6)

    @property
    def valid_percent(self) -> float:
        """Share of the image that is valid, percent."""
        return max(band.statistics["valid_percent"] for band in self.bands)

    @property
    def ratio(self) -> float:
        """Bytes of the file for each byte of its pixels, 3 a pixel."""
        return float(self.output["nbytes"] / (self.mpx * 3e6))

    @property
    def verdict(self) -> Verdict:
        """What limited the run."""
        return verdict(
            self.tallies, wall=self.wall, windows=len(self.windows), divisible=self.divisible
        )

    @property
    def divisible(self) -> bool:
        """Whether a smaller --window would make more windows: they are whole source blocks."""
        first, tile = self.inputs[0], self.job["profile"]["tile"]
        return first["factor"] == 1 and any(
            length > window_step(tile, block)
            for length, block in zip(self.plan["edge"], first["block"], strict=True)
        )

    def playing(self, role: str) -> list[Tally]:
        """Return the tallies of the ranks that played a role."""
        return [tally for tally in self.tallies if role in tally.role]
