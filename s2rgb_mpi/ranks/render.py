"""The colours of a window: per pixel those of the first product with a valid value."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from s2rgb_mpi.errors import ReadError
from s2rgb_mpi.heap import trim
from s2rgb_mpi.image.checks import boa_offset, overlap
from s2rgb_mpi.image.radiometry import RGBA, colour, make_lut, valid
from s2rgb_mpi.inputs.ahead import Ahead, is_served
from s2rgb_mpi.inputs.band_file import Memory
from s2rgb_mpi.inputs.files.remote import forget
from s2rgb_mpi.inputs.product import RGB_BANDS
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


TRIM_WINDOWS = 20
"""After so many windows free memory is returned to the system: not each time, as it is soon needed
again."""


class Rendered(NamedTuple):
    """The colours of a window, and the counts for the checks."""

    rgba: NDArray[np.uint8]
    """Shape (height, width, 4); 0 in all bands where no product has data."""
    counts: dict[int, NDArray[np.uint32]]
    """For the offset check: counts of the DN of a sample, by the number of the product."""
    overlaps: dict[int, NDArray[np.uint32]]
    """For the overlap check: colours above and below, by the number of the lower product."""


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

    def colour(
        self, dn: Sequence[NDArray[np.uint16]]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
        """Return RGBA of shape (height, width, 4), and the counts of the offset check."""
        rgba = np.empty((*dn[0].shape, RGBA), dtype=np.uint8)
        colour(dn, self._luts, rgba, darkest=self._darkest)
        return rgba, boa_offset.count(dn, self._bins)


class Renderer:
    """Renders the windows of a share; within the share no source block is decoded twice.

    Products are decoded in chunks of whole source blocks. Where chunks do not line up with windows,
    or the product is resampled, several windows need parts of one chunk: the parts for later
    windows, those of other shares too, are cut out at once and kept. A chunk that is wholly hidden
    by products above it is never read.

    Parameters
    ----------
    plan : Plan
        The same on every rank.
    share : sequence of int
        Numbers of the windows to be rendered, each once.
    tally : Tally
        The times are added here.
    exchange : ChunkExchange, optional
        If other shares need source chunks of this one.
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
            order = reading_order(plan, share, exchange.expects if exchange else lambda _: False)
            self._ahead = Ahead(products, order)

    def close(self, *, wait: bool = True) -> None:
        """Stop reading ahead, and optionally wait for open requests."""
        if self._ahead is not None:
            self._ahead.close(wait=wait)

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
            self._release(patches)
        self._rendered += 1
        if self._kept and self._rendered % TRIM_WINDOWS == 0:
            trim()
        return rendered

    def _release(self, patches: Sequence[tuple[Place, Patch]]) -> None:
        """Release all that was kept for a window, whether or not it could be rendered."""
        for place, patch in patches:
            self._uses[patch.member] -= 1
            for key in patch.keys:
                self._awaited[key].pop(place, None)
                self._kept.pop((key, place), None)
                if self._exchange is not None and not self._awaited[key]:
                    self._exchange.release(key)
            if not self._uses[patch.member]:  # an open file keeps decoded blocks: megabytes
                self._sources.pop(patch.member, None)
                self._warpers.pop(patch.member, None)

    def _dn(self, place: Place, patch: Patch) -> Sequence[NDArray[np.uint16]]:
        """Return the DN of a patch: three bands of the height and width of its target.

        The arrays are reused: the next patch overwrites them.
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
        return self._memory.array(0, use, "uint16", (len(RGB_BANDS), window.height, window.width))

    def _needed(self, key: Key, place: Place, part: Window) -> Sequence[NDArray[np.uint16]]:
        """Return the part of a chunk for a patch: kept, from another worker, or read now."""
        self._awaited[key].pop(place)
        kept = self._kept.pop((key, place), None)
        if kept is None and self._exchange is not None:
            with self._tally.stage("idle", place[0]):
                passed = self._exchange.receive(key)
            for later in self._awaited[key].keys() & passed.keys():
                self._kept[key, later] = passed[later]
            kept = passed.get(place)
        return list(kept) if kept is not None else self._read(key, place[0], part)

    def _read(self, key: Key, number: int, part: Window) -> Sequence[NDArray[np.uint16]]:
        """Read a chunk; return one part, keep those for later windows, send those for others."""
        later = self._awaited[key]
        elsewhere = {
            place: _part(patch, key)
            for other in (self._exchange.later(key) if self._exchange else ())
            for place, patch in _places(self._plan, other)
            if key in patch.keys
        }
        others = [*later.values(), *elsewhere.values()]
        now, parts = self._read_with_retry(number, key, part, others)
        kept = dict(zip((*later, *elsewhere), parts, strict=True))
        self._kept.update({(key, place): kept[place] for place in later})
        if self._exchange is not None:
            self._exchange.send(key, {place: kept[place] for place in elsewhere})
        return now

    def _read_with_retry(
        self, number: int, key: Key, part: Window, others: Sequence[Window]
    ) -> Cut:
        """Read parts of a chunk; if that fails, reopen the product and try once more."""
        member, _ = key
        try:
            return self._fetch(number, key, part, others)
        except ReadError:
            forget(band.path for band in self._plan.scene.members[member].product.bands)
            self._sources.pop(member, None)
            return self._fetch(number, key, part, others)

    def _fetch(self, number: int, key: Key, part: Window, others: Sequence[Window]) -> Cut:
        """Read parts of a chunk; open the product first if necessary.

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
    """Yield the patches of a window, each with its identification among those of all windows."""
    for at, patch in enumerate(plan.patches(number)):
        yield (number, at), patch


def _part(patch: Patch, key: Key) -> Window:
    """Return the part of one of its chunks that a patch needs, in pixels of the product."""
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
    """Fill the pixels of a part of the window that are still empty; add the counts."""
    _add(rendered.counts, member, counts)
    if member == 0 or not target.any():  # the usual case, and far faster than pixel by pixel
        target[:] = part
        return
    _add(rendered.overlaps, member, overlap.count(target, part))
    np.copyto(target, part, where=~valid(target)[..., np.newaxis])


def _add(sums: dict[int, NDArray[np.uint32]], member: int, counts: NDArray[np.uint32]) -> None:
    """Add the counts of a patch to those of the window."""
    sums[member] = sums[member] + counts if member in sums else counts
