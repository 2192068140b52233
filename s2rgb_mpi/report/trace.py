"""The trace: every rank's spans on one clock, in Chrome's trace format.

https://ui.perfetto.dev opens it. A machine is a process there, a rank a thread: one line a rank.
The format: "Trace Event Format", Google, 2016.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s2rgb_mpi.report.run_record import Account
    from s2rgb_mpi.timing import Tally


def trace(account: Account) -> bytes:
    """Return the spans of a run.

    Parameters
    ----------
    account : Account
        Whose tallies have spans.

    Returns
    -------
    bytes
        JSON; times in microseconds from the moment that all ranks had met.
    """
    names = dict.fromkeys(tally.host for tally in account.tallies)
    hosts = {host: number for number, host in enumerate(names)}
    events = [_named("process_name", host, pid=pid, tid=0) for host, pid in hosts.items()]
    for tally in account.tallies:
        place = {"pid": hosts[tally.host], "tid": tally.rank}
        events.append(_named("thread_name", f"rank {tally.rank}, {tally.role}", **place))
        events.extend(_events(tally, account, place))
    said = {"verdict": account.verdict.sentence, **account.versions}
    document = {"traceEvents": events, "displayTimeUnit": "ms", "otherData": said}
    return json.dumps(document, separators=(",", ":")).encode()


def _named(kind: str, name: str, **place: int) -> dict[str, Any]:
    """Return the event that gives a machine or a rank its name."""
    return {"ph": "M", "name": kind, "args": {"name": name}, **place}


def _events(tally: Tally, account: Account, place: dict[str, int]) -> Iterator[dict[str, Any]]:
    """Turn a rank's spans into complete events."""
    for span in tally.spans or ():
        window = {}
        if span.window is not None:
            window = {"window": span.window, "pixels": list(account.windows[span.window])}
        yield {
            "ph": "X",
            "name": span.stage,
            "cat": tally.role,
            "ts": round(span.begin * 1e6, 1),
            "dur": round((span.end - span.begin) * 1e6, 1),
            "args": window,
            **place,
        }
