"""Lines on the terminal, and in a log on request. Rank 0 alone speaks."""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from s2rgb_mpi.errors import OutputError, UsageError
from s2rgb_mpi.redact import redact, without_secrets
from s2rgb_mpi.report.outputs import Wanted
from s2rgb_mpi.report.progress import Lines, make_bar, terminal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import TextIO

    from tqdm import tqdm

PROGRAM = "s2rgb_mpi"

LOG_FORMAT = "%(asctime)s.%(msecs)03d %(levelname)-7s rank %(rank)d: %(message)s"
LOG_TIME = "%Y-%m-%dT%H:%M:%S"


class Report:
    """Writes all lines of a run: on the terminal and in the log.

    Parameters
    ----------
    quiet : bool
        Only errors are said.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._terminal = _Terminal(self)
        # In no tree of loggers: what libraries log is not ours to say, nor do they hear us.
        self._logger = logging.Logger(PROGRAM, logging.DEBUG)  # noqa: LOG001
        self._logger.addHandler(self._terminal)
        self._wanted = Wanted()
        self._lines: Lines | None = None
        self._places: Sequence[tuple[int, int, int, int]] = ()
        self._ranks: Sequence[int] = ()
        self._pixels = 0
        self._log: _Log | None = None
        self.bar: tqdm | None = None
        self.warnings: list[str] = []
        self.quiet = quiet

    @property
    def quiet(self) -> bool:
        """Whether the terminal gets errors only."""
        return self._terminal.level >= logging.ERROR

    @quiet.setter
    def quiet(self, value: bool) -> None:
        self._terminal.setLevel(logging.ERROR if value else logging.INFO)

    def listen(self, wanted: Wanted) -> None:
        """Configure how much is reported, and where else.

        Raises
        ------
        UsageError
            The log file cannot be opened.
        """
        self._wanted = wanted
        if wanted.verbose:
            self._terminal.setLevel(logging.DEBUG)
        if wanted.log_file is None:
            return
        try:
            self._log = _Log(wanted.log_file, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--log-file {wanted.log_file}: {error.strerror}") from error
        self._log.setFormatter(logging.Formatter(LOG_FORMAT, LOG_TIME))
        self._logger.addHandler(self._log)

    def start(
        self,
        places: Sequence[tuple[int, int, int, int]],
        ranks: Sequence[int] = (),
        done: Collection[int] = (),
    ) -> None:
        """Report the start of the work.

        Parameters
        ----------
        places : sequence of (col_off, row_off, width, height)
            The windows, by number.
        ranks : sequence of int
            Which rank makes each window; rank 0 all of them by default.
        done : collection of int
            The windows that were there before.
        """
        self._places, self._ranks = places, ranks or [0] * len(places)
        pixels = sum(width * height for _, _, width, height in places)
        self._pixels = sum(places[number][2] * places[number][3] for number in done)
        # The terminal is looked for even where a bar is requested by name: it may have a width.
        columns = terminal() if self._wanted.progress in ("auto", "bar") else None
        if self.quiet or self._wanted.progress == "none":
            return
        if columns is not None or self._wanted.progress == "bar":
            # Without tqdm, or a terminal that takes it, lines have to do.
            with suppress(ImportError, OSError, ValueError):
                self.bar = make_bar(pixels, columns, self._pixels)
        if self.bar is None:
            self._lines = Lines(len(places), pixels, self._pixels)

    def dealt(self, rank: int, windows: Sequence[int]) -> None:
        """Note who makes windows that were another rank's."""
        anew = dict.fromkeys(windows, rank)
        self._ranks = [anew.get(number, before) for number, before in enumerate(self._ranks)]

    def advance(self, windows: int, nbytes: int, new: Sequence[tuple[int, int]]) -> None:
        """Report the writer's progress.

        Parameters
        ----------
        windows, nbytes : int
            What is in the partial file.
        new : sequence of (int, int)
            The windows that have come since the last time, and the bytes of each.
        """
        for number, size in new:
            _, _, width, height = place = self._places[number]
            self._pixels += width * height
            words = f"{size / 1e6:.2f} MB" if size else "no data"
            self._say(logging.DEBUG, f"window {number} {tuple(place)}: {words}", number)
        if self.bar is not None:
            with suppress(OSError, ValueError):
                self.bar.update(self._pixels - self.bar.n)
        elif self._lines is not None:
            line = self._lines.advance(windows, self._pixels, nbytes)
            if line is not None:
                self._say(logging.INFO, line)

    def done(self, lines: Sequence[str]) -> None:
        """Sum up."""
        self._close_bar()
        for line in lines:
            self._say(logging.INFO, line)

    def text(self, text: str) -> None:
        """Print a text, such as the plan, on standard output.

        Raises
        ------
        OutputError
            It cannot be written.
        """
        _print(redact(text))

    def fields(self, fields: Mapping[str, Any]) -> None:
        """Print one JSON object, in ASCII, on standard output.

        Raises
        ------
        OutputError
            It cannot be written.
        """
        # Redacted before it is JSON, of which it would remove quotation marks.
        _print(json.dumps(without_secrets(fields, redact), indent=1, allow_nan=False))

    def warning(self, text: str) -> None:
        """Report a warning, and keep it for the files."""
        self.warnings.append(redact(text))
        self._say(logging.WARNING, text)

    def told(self, text: str) -> None:
        """Report information."""
        self._say(logging.INFO, text)

    def stopped(self, text: str) -> None:
        """Report in one line how a stopped run is resumed; --quiet does not hide it."""
        self._close_bar()
        reports = [option for option in self._wanted.files if option != "--log-file"]
        if reports:
            verb = "is" if len(reports) == 1 else "are"
            text += f"; {', '.join(reports)} {verb} not written before the image is whole"
        self._say(logging.CRITICAL, text)

    def error(self, error: BaseException | str) -> None:
        """Report in one line why the run ended."""
        self._close_bar()
        self._say(logging.ERROR, str(error))

    def close(self) -> None:
        """Remove the bar, close the log, and forget what standard error does not take."""
        self._close_bar()
        try:
            sys.stderr.flush()
        except (OSError, ValueError):
            _silence(sys.stderr)
        for handler in self._logger.handlers:
            with suppress(OSError):
                handler.close()

    @property
    def log_error(self) -> str:
        """Why the log is not whole; empty if it is."""
        return "" if self._log is None else self._log.error

    def _say(self, level: int, text: str, window: int | None = None) -> None:
        """Write a line without secrets, in the name of the rank that it is about."""
        rank = 0 if window is None else self._ranks[window]
        self._logger.log(level, "%s", redact(text), extra={"rank": rank})

    def _close_bar(self) -> None:
        if self.bar is not None:
            with suppress(OSError, ValueError):
                self.bar.close()
            self.bar = None


def _print(text: str) -> None:
    """Write a text to standard output, which its reader may close."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        _silence(sys.stdout)
        if isinstance(error, BrokenPipeError):  # its reader has seen enough
            return
        raise OutputError(f"standard output: {error}") from error


def _silence(stream: TextIO) -> None:
    """Drop what a stream cannot write: Python would try again at its end, and fail with 120."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _Terminal(logging.Handler):
    """Standard error: whole lines, above the bar if there is one."""

    _PREFIXES = {logging.WARNING: "warning: ", logging.ERROR: "error: "}  # noqa: RUF012

    def __init__(self, report: Report) -> None:
        super().__init__()
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        """Write one whole line at once, so that it cannot be torn.

        A closed terminal, a closed pipe or a full disk does not end the work.
        """
        bar = self._report.bar
        prefix = self._PREFIXES.get(record.levelno, "")
        with suppress(OSError, ValueError):
            if bar is not None:
                bar.clear()
            sys.stderr.write(f"{PROGRAM}: {prefix}{record.getMessage()}\n")
            sys.stderr.flush()
            if bar is not None:
                bar.refresh()


class _Log(logging.FileHandler):
    """A log that ends with the first line that cannot be written, and remembers why."""

    error = ""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802  logging's own
        """Keep the cause; the image does not depend on the log."""
        cause = sys.exc_info()[1]
        words = getattr(cause, "strerror", None) or cause
        self.error = f"--log-file {self.baseFilename}: {words}; the image is whole"

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, unless one before it could not be written."""
        if not self.error:
            super().emit(record)
