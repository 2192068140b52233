"""A window's colours: the first valid pixel of the products that lie there."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from s2rgb_mpi.errors import ReadError
from s2rgb_mpi.heap import give_back
from s2rgb_mpi.image.checks import boa_offset, overlap
from s2rgb_mpi.image.radiometry import RGBA, colour, make_lut, valid
from s2rgb_mpi.inputs.ahead import Ahead, is_served
from s2rgb_mpi.inputs.band_file import Memory
from s2rgb_mpi.inputs.files.remote import forget
from s2rgb_mpi.inputs.reader import Source
from s2rgb_mpi.inputs.warp.warper import Piece, Warper
from s2rgb_mpi.plan.reading import reading_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.inputs.product import Product
    from s2rgb_mpi.plan.job import Job
    from s2rgb_mpi.plan.partition import Key
    from s2rgb_mpi.plan.plan import Patch, Plan
    from s2rgb_mpi.ranks.chunk_exchange import ChunkExchange, Place
    from s2rgb_mpi.timing import Tally

    Cut: TypeAlias = tuple[Sequence[NDArray[np.uint16]], list[NDArray[np.uint16]]]

BANDS = 3

GIVE_BACK_WINDOWS = 20
"""After so many windows what is free is given back: far less often than it is needed again."""


class Rendered(NamedTuple):
    """A window's colours, and what was seen on the way."""

    rgba: NDArray[np.uint8]
    """Shape (height, width, 4); 0 in all bands where no product has data."""
    counts: dict[int, NDArray[np.uint32]]
    """For the offset check: the DN of a sample, by the number of the product."""
    overlaps: dict[int, NDArray[np.uint32]]
    """For the overlap check: colours above and below, by the number of the product below."""


class Colours:
    """From DN to colours, by the tables of one product.

    Parameters
    ----------
    product : Product
        Whose offset, scale and way of storing DN count.
    job : Job
        The stretch.
    """

    def __init__(self, product: Product, job: Job) -> None:
        dn = [band.stored.dn_of_codes() for band in product.bands]
        self._darkest = job.darkest
        self._luts = [
            make_lut(band.calibration, job.stretch, darkest=job.darkest, dn=numbers)
            for band, numbers in zip(product.bands, dn, strict=True)
        ]
        self._bins = list(map(boa_offset.bins, dn))

    def colour(
        self, dn: Sequence[NDArray[np.uint16]]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
        """Return RGBA of shape (height, width, 4), and the counts of the offset check."""
        rgba = np.empty((*dn[0].shape, RGBA), dtype=np.uint8)
        colour(dn, self._luts, rgba, darkest=self._darkest)
        return rgba, boa_offset.count(dn, self._bins)


class Renderer:
    """Renders the windows of a share, and decodes no source block twice for it.

    Products are decoded in chunks of whole source blocks. Where these do not line up with the
    windows, or are resampled, several windows need parts of one: all that is needed later is cut
    out at once and kept until then, and likewise for windows of other shares. A chunk that is
    wholly hidden by products before it is never read.

    Parameters
    ----------
    plan : Plan
        The same on every rank.
    share : sequence of int
        Numbers of the windows that will be asked for, each once.
    tally : Tally
        Filled here.
    exchange : ChunkExchange, optional
        Where other shares need source chunks of this one.
    """

    def __init__(
        self, plan: Plan, share: Sequence[int], tally: Tally, exchange: ChunkExchange | None = None
    ) -> None:
        self._plan = plan
        self._tally = tally
        self._exchange = exchange
        self._sources: dict[int, Source] = {}
        self._warpers: dict[int, Warper] = {}
        self._memory = Memory()
        self._colours = [Colours(member.product, plan.job) for member in plan.scene.members]
        self._awaited: defaultdict[Key, dict[Place, Window]] = defaultdict(dict)
        self._rendered = 0
        self._uses: Counter[int] = Counter()  # patches of a product still to come
        for number in share:
            for place, patch in _places(plan, number):
                self._uses[patch.member] += 1
                for key in patch.keys:
                    self._awaited[key][place] = _part(patch, key)
        self._kept: dict[tuple[Key, Place], NDArray[np.uint16]] = {}
        products = [member.product for member in plan.scene.members]
        self._ahead: Ahead | None = None
        if any(map(is_served, products)):
            order = reading_order(plan, share, exchange.comes if exchange else lambda _: False)
            self._ahead = Ahead(products, order)

    def close(self, *, patient: bool = True) -> None:
        """Read nothing ahead any more; wait for open requests, unless it is urgent."""
        if self._ahead is not None:
            self._ahead.close(patient=patient)

    def render(self, number: int) -> Rendered:
        """Return the colours of one window.

        Raises
        ------
        ReadError
            Names the window and the file.
        """
        window = self._plan.windows[number]
        rgba = np.zeros((window.height, window.width, RGBA), dtype=np.uint8)
        rendered = Rendered(rgba, {}, {})
        patches = list(_places(self._plan, number))
        try:
            for place, patch in patches:
                inside = patch.target.moved(-window.col_off, -window.row_off).slices
                if patch.member and valid(rgba[inside]).all():
                    continue
                dn = self._dn(place, patch)
                with self._tally.stage("render", number):
                    part, counts = self._colours[patch.member].colour(dn)
                    _paint(rendered, patch.member, rgba[inside], part, counts)
        except ReadError as error:
            raise ReadError(f"window {number} {error}") from error
        finally:
            self._leave(patches)
        self._rendered += 1
        if self._kept and self._rendered % GIVE_BACK_WINDOWS == 0:
            give_back()
        return rendered

    def _leave(self, patches: Sequence[tuple[Place, Patch]]) -> None:
        """Keep nothing any longer for a window, whatever became of it."""
        for place, patch in patches:
            self._uses[patch.member] -= 1
            for key in patch.keys:
                self._awaited[key].pop(place, None)
                self._kept.pop((key, place), None)
                if self._exchange is not None and not self._awaited[key]:
                    self._exchange.leave(key)
            if not self._uses[patch.member]:  # an open file holds a block or two: megabytes
                self._sources.pop(patch.member, None)
                self._warpers.pop(patch.member, None)

    def _dn(self, place: Place, patch: Patch) -> Sequence[NDArray[np.uint16]]:
        """Return the DN of a patch: three bands, each of the height and width of its target.

        They lie in memory that the next patch overwrites.
        """
        product = self._plan.scene.members[patch.member].product
        if product.warp is None:
            (key,) = patch.keys
            return self._needed(key, place, _part(patch, key))
        source = self._array("source", patch.source)
        for key in patch.keys:
            part = _part(patch, key)
            inside = part.moved(-patch.source.col_off, -patch.source.row_off).slices
            for band, values in zip(source, self._needed(key, place, part), strict=True):
                band[inside] = values
        with self._tally.stage("render", place[0]):
            out = self._array("resampled", patch.target)
            out[:] = 0
            if patch.member not in self._warpers:
                self._warpers[patch.member] = Warper(product)
            member = self._plan.scene.members[patch.member]
            target = patch.target.moved(-member.col_off, -member.row_off)
            self._warpers[patch.member].warp(source, Piece(target, patch.source), out)
        return list(out)

    def _array(self, use: str, window: Window) -> NDArray[np.uint16]:
        """Return an array for the three bands of a window."""
        return self._memory.array(0, use, "uint16", (BANDS, window.height, window.width))

    def _needed(self, key: Key, place: Place, part: Window) -> Sequence[NDArray[np.uint16]]:
        """Return the part of a chunk that a patch needs: kept, from another worker, or read now."""
        self._awaited[key].pop(place)
        kept = self._kept.pop((key, place), None)
        if kept is None and self._exchange is not None:
            with self._tally.stage("idle", place[0]):
                passed = self._exchange.take(key)
            for later in self._awaited[key].keys() & passed.keys():
                self._kept[key, later] = passed[later]
            kept = passed.get(place)
        return list(kept) if kept is not None else self._read(key, place[0], part)

    def _read(self, key: Key, number: int, part: Window) -> Sequence[NDArray[np.uint16]]:
        """Read a chunk, keep what is needed of it later, here and elsewhere; return one part."""
        later = self._awaited[key]
        elsewhere = {
            place: _part(patch, key)
            for other in (self._exchange.later(key) if self._exchange else ())
            for place, patch in _places(self._plan, other)
            if key in patch.keys
        }
        others = [*later.values(), *elsewhere.values()]
        now, parts = self._patient(number, key, part, others)
        kept = dict(zip((*later, *elsewhere), parts, strict=True))
        self._kept.update({(key, place): kept[place] for place in later})
        if self._exchange is not None:
            self._exchange.give(key, {place: kept[place] for place in elsewhere})
        return now

    def _patient(self, number: int, key: Key, part: Window, others: Sequence[Window]) -> Cut:
        """Read parts of a chunk; if that fails, open the product anew and try once more."""
        member, _ = key
        try:
            return self._fetch(number, key, part, others)
        except ReadError:
            forget(band.path for band in self._plan.scene.members[member].product.bands)
            self._sources.pop(member, None)
            return self._fetch(number, key, part, others)

    def _fetch(self, number: int, key: Key, part: Window, others: Sequence[Window]) -> Cut:
        """Read parts of a chunk, of a product that may have to be opened first.

        All products are read into the same memory.
        """
        member, chunk = key
        if member not in self._sources:
            product = self._plan.scene.members[member].product
            if self._ahead is not None:
                with self._tally.stage("network", number):
                    self._ahead.before_open(member)
            with self._tally.stage("open", number):
                self._sources[member] = Source(product.unwarped, self._memory)
        if self._ahead is not None:
            with self._tally.stage("network", number):
                self._ahead.before_read(member, chunk, self._sources)
        with self._tally.stage("read", number):
            return self._sources[member].cut(chunk, part, others)


def _places(plan: Plan, number: int) -> Iterator[tuple[Place, Patch]]:
    """List the patches of a window, with what they are called among those of all windows."""
    for at, patch in enumerate(plan.patches(number)):
        yield (number, at), patch


def _part(patch: Patch, key: Key) -> Window:
    """Return what a patch needs of one of its chunks, in pixels of the product."""
    part = patch.source.overlap(key[1])
    assert part is not None  # noqa: S101  a patch lists no other chunks
    return part


def _paint(
    rendered: Rendered,
    member: int,
    target: NDArray[np.uint8],
    part: NDArray[np.uint8],
    counts: NDArray[np.uint32],
) -> None:
    """Fill the pixels of a part of the window that are still empty; count what is seen."""
    _add(rendered.counts, member, counts)
    if member == 0 or not target.any():  # mostly, and far faster than pixel by pixel
        target[:] = part
        return
    _add(rendered.overlaps, member, overlap.count(target, part))
    np.copyto(target, part, where=~valid(target)[..., np.newaxis])


def _add(sums: dict[int, NDArray[np.uint32]], member: int, counts: NDArray[np.uint32]) -> None:
    """Add the counts of a patch to those of the window."""
    sums[member] = sums[member] + counts if member in sums else counts
