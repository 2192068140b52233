"""A slow server of ranges, in a process of its own: so its time is not counted for its clients.

python -m bench.server FOLDER SECONDS BYTES_PER_SECOND

Every answer begins after so many seconds, and a connection has so many bytes a second (0 for as
many as it can). The first line of its output is its address.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

PIECE_NBYTES = 2**18


class Server(NamedTuple):
    """How slow a server is."""

    seconds: float
    """Before each answer begins."""
    bytes_per_second: float = 0
    """Of a connection; 0 for as many as it can."""


@contextmanager
def serving(folder: Path, server: Server) -> Iterator[str]:
    """Serve a folder while the body runs; yield the address."""
    words = [sys.executable, "-m", "bench.server", str(folder), *map(str, server)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


def _handler(folder: Path, server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = 2**16

        def do_GET(self) -> None:
            time.sleep(server.seconds)
            file = folder / self.path.lstrip("/")
            if not file.is_file():
                self.send_error(404)
                return
            size = file.stat().st_size
            span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            first, last = 0, size - 1
            if span:
                first, last = int(span[1]), min(int(span[2] or last), last)
            self.send_response(206 if span else 200)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(last - first + 1))
            if span:
                self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            self.end_headers()
            if self.command == "GET":
                with file.open("rb") as content:
                    content.seek(first)
                    self._pour(content, last - first + 1)

        do_HEAD = do_GET  # noqa: N815

        def _pour(self, content: BinaryIO, nbytes: int) -> None:
            begin, sent = time.monotonic(), 0
            while sent < nbytes:
                sent += self.wfile.write(content.read(min(PIECE_NBYTES, nbytes - sent)))
                if server.bytes_per_second:
                    due = begin + sent / server.bytes_per_second
                    time.sleep(max(0.0, due - time.monotonic()))

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def main() -> None:
    folder, *slow = sys.argv[1:]
    handler = _handler(Path(folder), Server(*map(float, slow)))
    server = _Server(("127.0.0.1", 0), handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
