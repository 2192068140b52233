"""How the observations of a window, one a product, become one image: the first one, or the median.

An observation counts where it is valid and, where clouds are looked at, clear. Observations are
added product by product, the one on top first; what is cloudy is only used where nothing clear is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from s2rgb_mpi.image.checks import overlap
from s2rgb_mpi.image.radiometry import ALPHA, RGBA, valid
from s2rgb_mpi.image.sorting import in_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Inside: TypeAlias = tuple[slice, slice]
    """The rows and columns of a patch in its window."""

STRIP_PIXELS = 2**16
"""So many pixels are sorted at once: their values stay in the processor's cache."""

_CLOUDY, _CLEAR = 1, 2
"""What an observation is, in place of its alpha; 0: there is none."""


class Composite(ABC):
    """The image of a window while observations are added.

    Parameters
    ----------
    shape : tuple of int
        ``(height, width)`` of the window, pixels.
    products : int
        How many there are.
    keeps_cloudy : bool
        Whether pixels that are cloudy in all products are filled from these; else they are "no
        data".
    """

    def __init__(self, shape: tuple[int, int], products: int, *, keeps_cloudy: bool) -> None:
        self.shape = shape
        self.products = products
        self.keeps_cloudy = keeps_cloudy
        self.overlaps: dict[int, NDArray[np.uint32]] = {}
        """For the overlap check: colours above and below, by the number of the lower product."""

    @abstractmethod
    def needs(self, inside: Inside, clear: NDArray[np.bool_] | None = None) -> bool:
        """Return whether further clear pixels of a patch would be used.

        Parameters
        ----------
        inside : tuple of slice
            The patch.
        clear : ndarray, shape (height, width), bool, optional
            Which of its pixels are clear in the next product; all where it is not known.
        """

    @abstractmethod
    def needs_cloudy(self, member: int, inside: Inside) -> bool:
        """Return whether cloudy pixels of a product would be used, after all clear ones."""

    @abstractmethod
    def add(
        self,
        member: int,
        inside: Inside,
        rgba: NDArray[np.uint8],
        clear: NDArray[np.bool_] | None,
    ) -> None:
        """Add the observations of a product in a patch.

        Parameters
        ----------
        member : int
            The number of the product.
        inside : tuple of slice
            The patch.
        rgba : ndarray, shape (height, width, 4), uint8
            As :func:`~s2rgb_mpi.image.radiometry.colour` fills it.
        clear : ndarray, shape (height, width), bool, optional
            Which pixels are clear; all by default.
        """

    @abstractmethod
    def image(self) -> NDArray[np.uint8]:
        """Return the image, RGBA of shape (height, width, 4); 0 in all bands without data."""

    @abstractmethod
    def pixels(self) -> NDArray[np.uint64]:
        """Return how many observations of each product are in the image, shape (products,)."""


class First(Composite):
    """Per pixel the first product that is valid, and clear where one is.

    The parameters are those of :class:`Composite`.
    """

    def __init__(self, shape: tuple[int, int], products: int, *, keeps_cloudy: bool) -> None:
        super().__init__(shape, products, keeps_cloudy=keeps_cloudy)
        self._rgba = np.zeros((*shape, RGBA), dtype=np.uint8)
        self._settled = np.zeros(shape, dtype=np.bool_)  # filled, and not from under a cloud
        self.sources = np.zeros(shape, dtype=f"<u{source_nbytes(products)}")
        """Which product each pixel is from, counted from 1; 0 without data."""

    def needs(self, inside: Inside, clear: NDArray[np.bool_] | None = None) -> bool:
        """Return whether clear pixels of a patch are still missing, and the next product's serve.

        See :meth:`Composite.needs`.
        """
        settled = self._settled[inside]
        return not (settled if clear is None else settled | ~clear).all()

    def needs_cloudy(self, member: int, inside: Inside) -> bool:
        """Return whether pixels are empty, or filled from a product below; see `Composite`."""
        return self.keeps_cloudy and bool(self._lacks(member, inside).any())

    def add(
        self,
        member: int,
        inside: Inside,
        rgba: NDArray[np.uint8],
        clear: NDArray[np.bool_] | None,
    ) -> None:
        """Fill the pixels for which this product is the first; see :meth:`Composite.add`."""
        found = valid(rgba)
        usable = found if clear is None else found & clear
        settled = self._settled[inside]
        take = usable
        if settled.any():
            common = settled & usable
            if common.any():
                counts = overlap.count(self._rgba[inside], rgba, common)
                add_counts(self.overlaps, member, counts)
            take = usable & ~settled
        settled |= usable
        if clear is not None and self.keeps_cloudy:
            take |= found & self._lacks(member, inside)
        if take.all():  # the usual case, and far faster than pixel by pixel
            self._rgba[inside] = rgba
            self.sources[inside] = member + 1
            return
        np.copyto(self._rgba[inside], rgba, where=take[..., np.newaxis])
        np.copyto(self.sources[inside], member + 1, where=take, casting="unsafe")

    def image(self) -> NDArray[np.uint8]:
        """Return the image; see :meth:`Composite.image`."""
        return self._rgba

    def pixels(self) -> NDArray[np.uint64]:
        """Return how many pixels are from each product; see :meth:`Composite.pixels`."""
        if self.products == 1:  # far faster than counting numbers
            return np.array([np.count_nonzero(self.sources)], dtype="<u8")
        counts = np.bincount(self.sources.reshape(-1), minlength=self.products + 1)
        return counts[1:].astype("<u8")

    def _lacks(self, member: int, inside: Inside) -> NDArray[np.bool_]:
        """Return the pixels without a clear observation, and none of this product or one above."""
        sources = self.sources[inside]
        return ~self._settled[inside] & ((sources == 0) | (sources > member + 1))


class Median(Composite):
    """Per pixel and band the median of the clear observations, the lower of two middle ones.

    So each value is one that was seen. It is the colour of the median reflectance: colours never
    fall where reflectance rises, so their order is the same. Where all observations are cloudy it
    is their median, or nothing. The parameters are those of :class:`Composite`.
    """

    def __init__(self, shape: tuple[int, int], products: int, *, keeps_cloudy: bool) -> None:
        super().__init__(shape, products, keeps_cloudy=keeps_cloudy)
        self._layers: dict[int, NDArray[np.uint8]] = {}  # RGBA by product; alpha says what it is
        self._is_clear = np.zeros(shape, dtype=np.bool_)
        self._pixels = np.zeros(products, dtype="<u8")

    def needs(
        self,
        inside: Inside,  # noqa: ARG002  all that is clear counts, wherever it is
        clear: NDArray[np.bool_] | None = None,
    ) -> bool:
        """Return whether anything is clear; see :meth:`Composite.needs`."""
        return clear is None or bool(clear.any())

    def needs_cloudy(self, member: int, inside: Inside) -> bool:  # noqa: ARG002
        """Return whether anything is cloudy in all products; see `Composite`."""
        return self.keeps_cloudy and not self._is_clear[inside].all()

    def add(
        self,
        member: int,
        inside: Inside,
        rgba: NDArray[np.uint8],
        clear: NDArray[np.bool_] | None,
    ) -> None:
        """Keep the observations of a product; see :meth:`Composite.add`."""
        found = valid(rgba)
        usable = found if clear is None else found & clear
        if member not in self._layers:
            self._layers[member] = np.zeros((*self.shape, RGBA), dtype=np.uint8)
        layer = self._layers[member][inside]
        layer[:] = rgba
        layer[..., ALPHA] = np.where(usable, _CLEAR, found * np.uint8(_CLOUDY))
        self._is_clear[inside] |= usable

    def image(self) -> NDArray[np.uint8]:
        """Return the image; see :meth:`Composite.image`."""
        rgba = np.zeros((*self.shape, RGBA), dtype=np.uint8)
        if not self._layers:
            return rgba
        self._count_overlaps()
        rows = max(1, STRIP_PIXELS // self.shape[1])
        for top in range(0, self.shape[0], rows):
            strip = slice(top, top + rows)
            self._fill(rgba[strip], [layer[strip] for _, layer in sorted(self._layers.items())])
        return rgba

    def pixels(self) -> NDArray[np.uint64]:
        """Return how many observations of each product counted; see :meth:`Composite.pixels`."""
        return self._pixels

    def _fill(self, rgba: NDArray[np.uint8], layers: Sequence[NDArray[np.uint8]]) -> None:
        """Fill some rows with the median of these rows of all layers.

        What does not count is replaced by 0 or by 255, as often as makes the median the value in
        the middle of all.
        """
        states = np.stack([layer[..., ALPHA] for layer in layers])
        used = states == _CLEAR
        if self.keeps_cloudy:
            used |= (states != 0) & ~used.any(axis=0)
        counts = used.sum(axis=0, dtype=np.int32)
        middle = (len(layers) - 1) // 2
        low = middle - (counts - 1) // 2  # so many are 0
        colours = []
        for member, layer, each in zip(sorted(self._layers), layers, used, strict=True):
            self._pixels[member] += np.uint64(np.count_nonzero(each))
            low -= ~each
            filler = np.where(low >= 0, np.uint32(0), np.uint32(0xFFFFFFFF))
            pixels = np.where(each, layer.view(np.uint32)[..., 0], filler)
            colours.append(pixels[..., np.newaxis].view(np.uint8))
        rgba[:] = in_order(colours)[middle]
        rgba[..., ALPHA] = 255
        rgba[counts == 0] = 0

    def _count_overlaps(self) -> None:
        """Count for each product the colours of the first clear observation above it."""
        members = sorted(self._layers)
        samples = {member: overlap.sampled(self._layers[member]) for member in members}
        above = samples[members[0]].copy()
        for member in members[1:]:
            layer = samples[member]
            here, there = above[..., ALPHA] == _CLEAR, layer[..., ALPHA] == _CLEAR
            if (here & there).any():
                counts = overlap.count_all(above, layer, here & there)
                add_counts(self.overlaps, member, counts)
            np.copyto(above, layer, where=(there & ~here)[..., np.newaxis])


def source_nbytes(products: int) -> int:
    """Return the bytes of a number from 0 to that of the last product, an unsigned integer."""
    return 1 if products < 2**8 else 2


def add_counts(
    sums: dict[int, NDArray[np.uint32]], member: int, counts: NDArray[np.uint32]
) -> None:
    """Add counts of a product to those that there are."""
    sums[member] = sums[member] + counts if member in sums else counts
