"""The files and the progress that a run is asked to report."""

from __future__ import annotations

from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.report.files import check

PROGRESS = ("auto", "bar", "log", "none")


@dataclass(frozen=True)
class Wanted:
    """Which files the run leaves beside the image, and how it shows its progress.

    Parameters
    ----------
    report, html, trace, quicklook, stac : Path, optional
        Files to be written at the end; those that are there are replaced.
    log_file : Path, optional
        A log to add to.
    progress : str
        One of :data:`PROGRESS`.
    verbose : bool
        A line a window.
    """

    report: Path | None = None
    html: Path | None = None
    trace: Path | None = None
    quicklook: Path | None = None
    stac: Path | None = None
    log_file: Path | None = None
    progress: str = "auto"
    verbose: bool = False

    @property
    def spans(self) -> bool:
        """Whether the ranks have to keep every single span."""
        return self.trace is not None or self.html is not None

    @property
    def files(self) -> dict[str, Path]:
        """The files asked for, by option."""
        return {
            f"--{field.name.replace('_', '-')}": value
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Path)
        }

    def check(self, output: Path) -> None:
        """Reject, before the start, files that could not be written at the end.

        Raises
        ------
        UsageError
            A path that cannot be written, or is meant for two things; --html without
            matplotlib, --stac without pystac.
        """
        taken = {output.resolve(): "--output"}
        for option, path in self.files.items():
            other = taken.setdefault(path.resolve(), option)
            if other != option:
                raise UsageError(f"{option} {path}: is the file of {other} too")
            check(option, path)
        if self.html is not None and find_spec("matplotlib") is None:
            raise UsageError("--html needs matplotlib: pip install 's2rgb-mpi[html]'")
        if self.stac is not None and find_spec("pystac") is None:
            raise UsageError("--stac needs pystac: pip install 's2rgb-mpi[stac]'")
