"""The parts of source chunks that patches need: each chunk is decoded once for all of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from s2rgb_mpi.errors import ReadError
from s2rgb_mpi.heap import trim
from s2rgb_mpi.image.checks import boa_offset
from s2rgb_mpi.image.radiometry import RGBA, colour, make_lut
from s2rgb_mpi.inputs.ahead import Ahead, is_served
from s2rgb_mpi.inputs.files.remote import forget
from s2rgb_mpi.inputs.reader import Source, is_large
from s2rgb_mpi.plan.reading import reading_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.inputs.band_file import Memory
    from s2rgb_mpi.inputs.product import Product
    from s2rgb_mpi.plan.job import Job
    from s2rgb_mpi.plan.partition import Key
    from s2rgb_mpi.plan.plan import Patch, Plan
    from s2rgb_mpi.ranks.chunk_exchange import ChunkExchange, Part, Place
    from s2rgb_mpi.timing import Tally

    Dn: TypeAlias = Sequence[NDArray[np.uint16]]

TRIM_WINDOWS = 20
"""After so many windows free memory is returned to the system: not each time, as it is soon needed
again."""


class Colours:
    """Converts DN to colours by the lookup tables of one product.

    Parameters
    ----------
    product : Product
        Its calibration and its codes of DN decide the tables.
    job : Job
        Its stretch decides the colours.
    """

    def __init__(self, product: Product, job: Job) -> None:
        dn = [band.stored.dn_of_codes() for band in product.bands]
        self._darkest = job.darkest
        self._luts = [
            make_lut(band.calibration, job.stretch, darkest=job.darkest, dn=numbers)
            for band, numbers in zip(product.bands, dn, strict=True)
        ]
        self._bins = list(map(boa_offset.bins, dn))

    def colour(self, dn: Dn) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
        """Return RGBA of shape (height, width, 4), and the counts of the offset check."""
        rgba = np.empty((*dn[0].shape, RGBA), dtype=np.uint8)
        colour(dn, self._luts, rgba, darkest=self._darkest)
        return rgba, boa_offset.count(dn, self._bins)


class ChunkParts:
    """The parts of the source chunks of a share; within the share no chunk is decoded twice.

    Where chunks do not line up with windows, or the product is resampled, several patches need
    parts of one chunk: the parts for later patches, those of other shares too, are cut out at once
    and kept.

    Parameters
    ----------
    plan : Plan
        The same on every rank.
    share : sequence of int
        Numbers of the windows whose patches are filled, each once.
    tally : Tally
        The times are added here.
    memory : Memory
        Where chunks are decoded.
    exchange : ChunkExchange, optional
        If other shares need source chunks of this one.
    """

    def __init__(
        self,
        plan: Plan,
        share: Sequence[int],
        tally: Tally,
        memory: Memory,
        exchange: ChunkExchange | None,
    ) -> None:
        self._plan = plan
        self._tally = tally
        self._exchange = exchange
        self._memory = memory
        self._sources: dict[int, Source] = {}
        self._products = [member.product for member in plan.scene.members]
        self.colours = [Colours(product, plan.job) for product in self._products]
        """Of every product."""
        self._awaited: defaultdict[Key, dict[Place, Window]] = defaultdict(dict)
        self._uses: Counter[int] = Counter()  # patches of a product still to come
        self.add(share)
        self._kept: dict[tuple[Key, Place], Part] = {}
        self._released = 0
        self._ahead: Ahead | None = None
        if any(map(is_served, self._products)):
            order = reading_order(plan, share, exchange.expects if exchange else lambda _: False)
            self._ahead = Ahead(self._products, order)

    def add(self, share: Sequence[int]) -> None:
        """Add windows to those whose patches are filled."""
        for number in share:
            for place, patch in places(self._plan, number):
                self._uses[patch.member] += 1
                for key in patch.keys:
                    self._awaited[key][place] = part_of(patch, key)

    def close(self, *, wait: bool = True) -> None:
        """Stop reading ahead, and optionally wait for open requests."""
        if self._ahead is not None:
            self._ahead.close(wait=wait)

    def take(self, key: Key, place: Place, part: Window) -> Part:
        """Return the part of a chunk for a patch: kept, from another worker, or read now.

        Its arrays may be overwritten by the next call.

        Raises
        ------
        ReadError
            Names the file.
        """
        self._awaited[key].pop(place)
        kept = self._kept.pop((key, place), None)
        if kept is None and self._exchange is not None:
            with self._tally.stage("idle", place[0]):
                passed = self._exchange.receive(key)
            for later in self._awaited[key].keys() & passed.keys():
                self._kept[key, later] = passed[later]
            kept = passed.get(place)
        return self._read(key, place[0], part) if kept is None else kept

    def release(self, patches: Sequence[tuple[Place, Patch]]) -> None:
        """Release all that was kept for a window, whether or not it could be rendered."""
        for place, patch in patches:
            self._uses[patch.member] -= 1
            for key in patch.keys:
                self._awaited[key].pop(place, None)
                self._kept.pop((key, place), None)
                if self._exchange is not None and not self._awaited[key]:
                    self._exchange.release(key)
        self._released += 1
        if self._kept and self._released % TRIM_WINDOWS == 0:
            trim()

    def close_unneeded(self) -> list[int]:
        """Close the products that no window needs any more: an open file keeps megabytes.

        Returns
        -------
        list of int
            Their numbers.
        """
        done = [member for member, patches in self._uses.items() if not patches]
        for member in done:
            self._sources.pop(member, None)
            del self._uses[member]
        return done

    def _read(self, key: Key, number: int, part: Window) -> Part:
        """Read a chunk; return one part, keep those for later windows, send those for others."""
        later = self._awaited[key]
        elsewhere = {
            place: part_of(patch, key)
            for other in (self._exchange.later(key) if self._exchange else ())
            for place, patch in places(self._plan, other)
            if key in patch.keys
        }
        now, *others = self._read_with_retry(
            number, key, [part, *later.values(), *elsewhere.values()]
        )
        with self._tally.stage("render", number):
            kept = {
                # Each is given up as soon as it is coloured: of a large chunk they are its DN.
                place: self._part(key, others.pop(0), stays=True)
                for place in (*later, *elsewhere)
            }
            self._kept.update({(key, place): kept[place] for place in later})
            if self._exchange is not None:
                self._exchange.send(key, {place: kept[place] for place in elsewhere})
            return self._part(key, now, stays=False)

    def _part(self, key: Key, dn: Dn, *, stays: bool) -> Part:
        """Return DN that were read in the form in which parts of the product are kept."""
        member, chunk = key
        if self._products[member].warp is None:
            return self.colours[member].colour(dn)
        return tuple(band.copy() if stays and not is_large(chunk) else band for band in dn)

    def _read_with_retry(self, number: int, key: Key, parts: Sequence[Window]) -> list[Dn]:
        """Read parts of a chunk; if that fails, reopen the product and try once more."""
        member, _ = key
        try:
            return self._fetch(number, key, parts)
        except ReadError:
            forget(band.path for band in self._products[member].bands)
            self._sources.pop(member, None)
            return self._fetch(number, key, parts)

    def _fetch(self, number: int, key: Key, parts: Sequence[Window]) -> list[Dn]:
        """Read parts of a chunk; open the product first if necessary.

        All products are read into the same memory.
        """
        member, chunk = key
        if member not in self._sources:
            if self._ahead is not None:
                with self._tally.stage("network", number):
                    self._ahead.before_open(member)
            with self._tally.stage("open", number):
                self._sources[member] = Source(self._products[member].unwarped, self._memory)
        if self._ahead is not None:
            with self._tally.stage("network", number):
                self._ahead.before_read(member, chunk, self._sources)
        with self._tally.stage("read", number):
            return self._sources[member].cut(chunk, parts)


def places(plan: Plan, number: int) -> Iterator[tuple[Place, Patch]]:
    """Yield the patches of a window, each with its identification among those of all windows."""
    for at, patch in enumerate(plan.patches(number)):
        yield (number, at), patch


def part_of(patch: Patch, key: Key) -> Window:
    """Return the part of one of its chunks that a patch needs, in pixels of the product."""
    part = patch.source.overlap(key[1])
    assert part is not None  # noqa: S101  a patch lists no other chunks
    return part
