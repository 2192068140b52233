"""A web server on this machine: ranges, faults on demand, and a list of requests."""

from __future__ import annotations

import base64
import math
import mimetypes
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit


class Asked(NamedTuple):
    """One request."""

    method: str
    path: str
    range: str | None


class Web:
    """A folder under http://127.0.0.1, and how it is to misbehave.

    Faults map a path to what its first requests get: a status, or a number of seconds of silence.
    With a signature, requests whose query string has another ``sig`` get 403, and so do all after
    the signature has expired, which it does after so many answers. Aliases are paths of the same
    file. Users and passwords are those of HTTP's basic authentication, ``user:password``. Requests
    for bytes that are `broken` get 503. With `together`, ranges beyond the beginning of a file,
    with `beginnings` these too, are answered only once so many requests have been open at once; in
    vain for `patience` seconds, and `met` stays false. What is posted is kept by its path, and the
    first of it is waited for by `wait`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[Asked] = []
        self.faults: dict[str, list[int | float]] = {}
        self.aliases: dict[str, str] = {}
        self.signature: str | None = None
        self.expires_after: float = math.inf
        self.user: str | None = None
        self.broken: dict[str, range] = {}
        self.together = 0
        self.beginnings = False
        self.met = False
        self.patience = 20.0
        self.posted: dict[str, bytes] = {}
        self._something = threading.Event()
        self._open = 0
        self._change = threading.Condition()
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                web.answer(self)

            do_HEAD = do_GET  # noqa: N815

            def do_POST(self) -> None:
                web.keep(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator[Web]:
        """Answer while the body runs."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def ranges(self, path: str) -> list[str]:
        """List the ranges that were asked of a file."""
        return [asked.range for asked in self.asked if asked.path == path and asked.range]

    def wait(self, seconds: float) -> bool:
        """Wait until something is posted; return whether it was."""
        return self._something.wait(seconds)

    def keep(self, request: BaseHTTPRequestHandler) -> None:
        """Keep what is posted."""
        body = request.rfile.read(int(request.headers["Content-Length"]))
        self.posted.setdefault(request.path, body)
        self._send(request, 204, b"")
        self._something.set()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        path = request.path.partition("?")[0]
        path = self.aliases.get(path, path)
        self.asked.append(Asked(request.command, path, request.headers.get("Range")))
        faults = self.faults.get(path)
        if faults:
            fault = faults.pop(0)
            if isinstance(fault, float):
                time.sleep(fault)
                request.close_connection = True
                return
            self._send(request, fault, b"")
            return
        if not self._is_allowed(request):
            # What storage services answer repeats what was sent.
            self._send(request, 401 if self.user else 403, request.requestline.encode())
            return
        file = self.folder / unquote(path).lstrip("/")
        if not file.is_file():
            self._send(request, 404, b"")
            return
        content = file.read_bytes()
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
        kind = {"Content-Type": mimetypes.guess_type(path)[0] or "application/octet-stream"}
        if span is None:
            self._send(request, 200, content, kind)
            return
        first, last = int(span[1]), min(int(span[2] or len(content)), len(content) - 1)
        if first or self.beginnings:
            self._meet()
        broken = self.broken.get(path, range(0))
        if first < broken.stop and broken.start <= last:
            self._send(request, 503, b"")
            return
        where = f"bytes {first}-{last}/{len(content)}"
        self._send(request, 206, content[first : last + 1], {"Content-Range": where, **kind})

    def _meet(self) -> None:
        """Wait until as many requests are open at once as there are to be."""
        with self._change:
            self._open += 1
            self.met = self.met or self._open >= self.together
            self._change.notify_all()
            self._change.wait_for(lambda: self.met, self.patience)
            self._open -= 1

    def _is_allowed(self, request: BaseHTTPRequestHandler) -> bool:
        """Return whether a request is signed, or has the password."""
        if self.user is not None:
            token = base64.b64encode(self.user.encode()).decode()
            return request.headers.get("Authorization") == f"Basic {token}"
        if self.signature is None:
            return True
        self.expires_after -= 1
        query = parse_qs(urlsplit(request.path).query)
        return query.get("sig") == [self.signature] and self.expires_after >= 0

    @staticmethod
    def _send(
        request: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
    ) -> None:
        request.send_response(status)
        for name, value in {"Accept-Ranges": "bytes", **(headers or {})}.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)
