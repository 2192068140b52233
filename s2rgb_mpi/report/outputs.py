"""The files and the progress that a run is asked to report."""

from __future__ import annotations

from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from s2rgb_mpi import fields as typed
from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.plan.path_fields import AnyPath, Converted, optional_file
from s2rgb_mpi.report.files import check

_File: TypeAlias = Converted[AnyPath | None, Path | None]

PROGRESS = ("auto", "bar", "log", "none")


@dataclass(frozen=True)
class Wanted:
    """Which files the run leaves beside the image, and how it shows its progress.

    Parameters
    ----------
    report, html, trace, quicklook, stac : str or Path, optional
        Files to be written at the end; those that are there are replaced.
    log_file : str or Path, optional
        A log to add to.
    progress : str
        One of :data:`PROGRESS`.
    verbose : bool
        A line a window.
    """

    report: _File = Converted(optional_file, None)
    html: _File = Converted(optional_file, None)
    trace: _File = Converted(optional_file, None)
    quicklook: _File = Converted(optional_file, None)
    stac: _File = Converted(optional_file, None)
    log_file: _File = Converted(optional_file, None)
    progress: str = "auto"
    verbose: bool = False

    def __post_init__(self) -> None:
        """Reject fields of other types, and a progress that there is not."""
        typed.check(self, progress=PROGRESS)

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

    def check(self, *outputs: Path) -> None:
        """Reject, before the start, files that could not be written at the end.

        Parameters
        ----------
        *outputs : Path
            The image, and the map of sources if it is wanted.

        Raises
        ------
        UsageError
            A path that cannot be written, or is meant for two things; --html without
            matplotlib, --stac without pystac.
        """
        names = ("--output", "--source-map")
        taken = {path.resolve(): name for path, name in zip(outputs, names, strict=False)}
        for option, path in self.files.items():
            other = taken.setdefault(path.resolve(), option)
            if other != option:
                raise UsageError(f"{option} {path}: is the file of {other} too")
            check(option, path)
        if self.html is not None and find_spec("matplotlib") is None:
            raise UsageError("--html needs matplotlib: pip install 's2rgb-mpi[html]'")
        if self.stac is not None and find_spec("pystac") is None:
            raise UsageError("--stac needs pystac: pip install 's2rgb-mpi[stac]'")
