"""The browser that looks at pages and maps, without a window."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)

NO_BROWSER = "no Chromium: ci/setup gets it where the distribution has it as a package"

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
)

WEBGL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
"""WebGL by the processor."""


@contextmanager
def opened(url: str, folder: Path) -> Iterator[None]:
    """Have a page open, with WebGL, while the body runs; what the browser said is in a file."""
    assert BROWSER is not None
    with (
        (folder / "said.txt").open("wb") as said,
        subprocess.Popen(
            [BROWSER, *OPTIONS, *WEBGL, f"--user-data-dir={folder / 'profile'}", url],
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)
