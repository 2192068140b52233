"""Messages between ranks: their tags, and the small ones as dataclasses.

::

    worker                                   writer                     coordinator
      |  HEADER (fixed size), Issend  ------>  |                             |
      |  BLOCK (payload), Issend      ------>  |  append, then               |
      |                                        |  Progress ----------------> |
      |  ...                                   |                             |
      |  HEADER without a window      ------>  |                             |
      |  Ready, then Copied           ------>  |                             |
      |  <-------------------- Copy or Dismiss |                             |
      |  Ask, for a further window  -------------------------------------->  |
      |  <------------------------------------------------ Share or NoShare |
      |  Heartbeat, once a second when there is none  -------------------->  |
      |  Done, then TALLY (times) ---------------------------------------->  |
      |                                        |  Done, TALLY (and file) --> |
      |  Failed, from any rank  ------------------------------------------>  |
      |  Stop, from any rank that a signal reached  ---------------------->  |
      |  <------------------------- Stop after the current window, to all ranks
      |  CHUNK (parts of a source chunk that the next share needs too), to a worker
      |  <------------------------- with --survive: Share and NoShare unasked, and End, to all ranks

HEADER and BLOCK are described in `image.block`, CHUNK in `chunk_exchange`; START is for collective
calls where ranks may die (`ulfm`). The tag never carries a number: MPI only guarantees tags up to
32,767.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from s2rgb_mpi.output.geotiff.copying import Copies


class Tag(IntEnum):
    """The kind of a message; far below 32,767, the largest tag that MPI guarantees."""

    HEADER = 1
    BLOCK = 2
    DONE = 3
    PROGRESS = 4
    STOP = 5
    FAILED = 6
    TALLY = 7
    CHUNK = 8
    SHARE = 9
    END = 10
    START = 11
    HEARTBEAT = 12
    READY = 13
    COPY = 14
    COPIED = 15
    ASK = 16


@dataclass(frozen=True)
class Progress:
    """From the writer: progress of the file."""

    tag: ClassVar[Tag] = Tag.PROGRESS
    windows: int
    nbytes: int
    """Of the partial file."""
    new: tuple[tuple[int, int], ...]
    """Windows since the last message: number, and size of the block, bytes."""


@dataclass(frozen=True)
class Heartbeat:
    """From a rank that has nothing else to report: shows that it does not hang."""

    tag: ClassVar[Tag] = Tag.HEARTBEAT


@dataclass(frozen=True)
class Stop:
    """A graceful stop: no further window is begun; to rank 0, and from it to all."""

    tag: ClassVar[Tag] = Tag.STOP


@dataclass(frozen=True)
class Ask:
    """From a worker that has begun its last window: for a further one."""

    tag: ClassVar[Tag] = Tag.ASK


@dataclass(frozen=True)
class Failed:
    """From a rank whose failure ends the run."""

    tag: ClassVar[Tag] = Tag.FAILED
    text: str
    exit_code: int


@dataclass(frozen=True)
class Done:
    """From a rank whose work is done: its times follow, under Tag.TALLY."""

    tag: ClassVar[Tag] = Tag.DONE
    nbytes: int
    """Size of the message that follows."""


@dataclass(frozen=True)
class Ready:
    """From a worker that is done, to the writer: it can help, on this machine."""

    tag: ClassVar[Tag] = Tag.READY
    machine: str


@dataclass(frozen=True)
class Copy:
    """From the writer to a worker on its machine: tiles to copy into place."""

    tag: ClassVar[Tag] = Tag.COPY
    copies: Copies
    files: tuple[tuple[int, int], ...]
    """Device and inode of both files."""


@dataclass(frozen=True)
class Dismiss:
    """From the writer to a worker that is not needed."""

    tag: ClassVar[Tag] = Tag.COPY


@dataclass(frozen=True)
class Copied:
    """From a worker to the writer: the reply to Copy."""

    tag: ClassVar[Tag] = Tag.COPIED
    done: bool
    """Whether the tiles are in place; False if the paths are other files for the worker."""


@dataclass(frozen=True)
class Share:
    """From rank 0: windows of the reserve, or of a lost worker."""

    tag: ClassVar[Tag] = Tag.SHARE
    windows: tuple[int, ...]


@dataclass(frozen=True)
class NoShare:
    """From rank 0: no further window will follow."""

    tag: ClassVar[Tag] = Tag.SHARE


@dataclass(frozen=True)
class End:
    """From rank 0: exit, the run is over."""

    tag: ClassVar[Tag] = Tag.END
    exit_code: int


ToCoordinator = Progress | Heartbeat | Ask | Stop | Failed | Done
Message = ToCoordinator | Ready | Copy | Dismiss | Copied | Share | NoShare | End


def send(comm: Any, message: Message, dest: int) -> Any:
    """Begin to send a message; the request completes when the message is buffered or received."""
    return comm.isend(message, dest=dest, tag=message.tag)


def send_synchronous(comm: Any, message: Message, dest: int) -> Any:
    """Begin a synchronous send; the request completes when the receiver has begun to receive."""
    return comm.issend(message, dest=dest, tag=message.tag)


def receive(comm: Any, tag: Tag, source: int) -> Any:
    """Return a message with this tag if one has arrived, else None."""
    if not comm.Iprobe(source=source, tag=tag):
        return None
    return comm.recv(source=source, tag=tag)
