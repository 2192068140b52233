"""An open file of bands, whose values are read as codes of digital numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from s2rgb_mpi.errors import InputError, ReadError
from s2rgb_mpi.image.radiometry import DN_COUNT, NODATA_DN
from s2rgb_mpi.inputs.byte_ranges import find_blocks
from s2rgb_mpi.inputs.dtypes import gdal_type
from s2rgb_mpi.inputs.files.read_ahead import is_cached
from s2rgb_mpi.inputs.files.remote import is_far
from s2rgb_mpi.inputs.nodata import is_shared_mask
from s2rgb_mpi.inputs.opening import cause, open_raster
from s2rgb_mpi.inputs.zarr.chunks import ArrayReader, LastChunk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.inputs.byte_ranges import Blocks, Start
    from s2rgb_mpi.inputs.files.read_ahead import ByteRange
    from s2rgb_mpi.inputs.stored import Stored
    from s2rgb_mpi.inputs.zarr.arrays import Array


DAMAGED = "the file may be damaged or cut off: download it again"
"""What to do about a window of a file on disk that cannot be read."""


class Memory:
    """Memory for the pixels of one window, which grows to the largest one."""

    def __init__(self) -> None:
        self._values: dict[tuple[int, str, str], NDArray[Any]] = {}
        self.last_chunk = LastChunk()

    def array(self, place: int, use: str, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return an array whose memory belongs to a place, use and type; not initialised."""
        size = math.prod(shape)
        values = self._values.get((place, use, dtype))
        if values is None or values.size < size:
            values = self._values[place, use, dtype] = np.empty(size, dtype=dtype)
        return values[:size].reshape(shape)


class Layer(Protocol):
    """A band of a file, or another layer of pixels that is read in the same way."""

    @property
    def path(self) -> str:
        """The file, under a name that GDAL opens."""

    @property
    def number(self) -> int:
        """Its number in the file, from 1."""

    @property
    def stored(self) -> Stored:
        """What lies in the file."""

    @property
    def internal(self) -> bool:
        """Whether only the file itself is read, not what lies beside it."""

    @property
    def array(self) -> Array | None:
        """Of a Zarr store, in place of a file that GDAL opens."""


class BandFile:
    """An open file, and which of its bands are read.

    Parameters
    ----------
    bands : sequence of Band or other Layer
        Of this file, of one type.
    memory : Memory
        Where the pixels are put.
    place : int
        Among the files of the product: each has memory of its own.
    """

    def __init__(self, bands: Sequence[Layer], memory: Memory, place: int) -> None:
        self.bands = bands
        self._memory = memory
        self._place = place
        self._has_mask = has_mask = any(band.stored.has_mask for band in bands)
        self._alpha = bands[0].stored.alpha
        self._blocks: Blocks | None = None
        self._array: ArrayReader | None = None
        if bands[0].array is not None:
            self._array = ArrayReader(bands[0].array, memory.last_chunk)
            return
        try:
            dataset = open_raster(
                bands[0].path, internal=bands[0].internal, with_mask_file=has_mask
            )
        except InputError as error:
            raise ReadError(str(error)) from error
        self._dataset: Any = dataset

    def locate(self, start: Start) -> None:
        """Begin to find out where blocks lie in the file, if it is on a server."""
        if self._blocks is not None or not is_cached(self.bands[0].path):
            return
        if self._array is not None:
            self._blocks = self._array
        else:
            numbers = [band.number for band in self.bands]
            if self._alpha is not None:
                numbers.append(self._alpha.number)
            self._blocks = find_blocks(self._dataset, numbers, start)

    def ranges(self, window: Window) -> Iterator[ByteRange]:
        """List the bytes that a window is decoded from, where they have been located."""
        if self._blocks is not None:
            yield from self._blocks.ranges(window)

    def read(self, window: Window) -> NDArray[np.uint16]:
        """Read a window: shape (bands, height, width), uint16, 0 where there is no data."""
        try:
            return self._read(window)
        except RuntimeError as error:
            raise self.error(window, error) from error

    def read_stored(self, window: Window) -> NDArray[Any]:
        """Read a window as it lies in the file: shape (bands, height, width), of its type."""
        numbers = [band.number for band in self.bands]
        try:
            return self._values(window, "bands", self.bands[0].stored.dtype, numbers)
        except RuntimeError as error:
            raise self.error(window, error) from error

    def error(self, window: Window, error: RuntimeError) -> ReadError:
        """Return the error of a window of this file, with GDAL's words."""
        path = self.bands[0].path
        advice = "" if is_far(path) else f"; {DAMAGED}"
        return ReadError(f"{tuple(window)} of {path}: {cause(error, path).rstrip('.')}{advice}")

    def _read(self, window: Window) -> NDArray[np.uint16]:
        dtype, count = self.bands[0].stored.dtype, len(self.bands)
        numbers = [band.number for band in self.bands]
        if self._alpha is not None and self._alpha.dtype == dtype:
            numbers.append(self._alpha.number)  # if pixel-interleaved, in the same blocks
        values = self._values(window, "bands", dtype, numbers)
        if all(band.stored.is_dn for band in self.bands):
            return values
        dn = values[:count]
        if dtype != "uint16":
            dn = self._memory.array(self._place, "dn", "uint16", dn.shape)
        for band, one, out in zip(self.bands, values[:count], dn, strict=True):
            to_dn(one, band.stored, out)
        if self._alpha is not None:
            _hide(dn, values[count] if len(numbers) > count else self._alpha_alone(window))
        if self._has_mask:
            for bands, mask in self._masks(window):
                _hide(dn[bands], mask)
        return dn

    def _values(self, window: Window, use: str, dtype: str, numbers: Sequence[int]) -> NDArray[Any]:
        """Read bands as they lie in the file: shape (bands, height, width)."""
        shape = len(numbers), window.height, window.width
        values = self._memory.array(self._place, use, dtype, shape)
        if self._array is not None:
            self._array.read(window, values[0])
            return values
        # Without it GDAL takes the type of the file's first band, whichever are read.
        kind, bands = gdal_type(dtype), list(numbers)
        self._dataset.ReadRaster(*window, buf_obj=values.data, buf_type=kind, band_list=bands)
        return values

    def _alpha_alone(self, window: Window) -> NDArray[Any]:
        """Read an alpha band that is of another type than the bands."""
        assert self._alpha is not None  # noqa: S101  it is asked for where there is one
        return self._values(window, "alpha", self._alpha.dtype, [self._alpha.number])[0]

    def _masks(self, window: Window) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
        """Read the file's masks: which bands they are for, and 0 where these have no data."""
        mask = self._memory.array(self._place, "mask", "uint8", (window.height, window.width))
        for index, band in enumerate(self.bands):
            if not band.stored.has_mask:
                continue
            raster = self._dataset.GetRasterBand(band.number)
            raster.GetMaskBand().ReadRaster(*window, buf_obj=mask.data)
            if is_shared_mask(raster):
                yield slice(None), mask
                return
            yield slice(index, index + 1), mask


def _hide(dn: NDArray[np.uint16], mask: NDArray[Any]) -> None:
    """Make "no data" of the pixels where a mask is 0, or no number."""
    hidden = mask == 0
    if mask.dtype.kind == "f":
        hidden |= np.isnan(mask)
    for band in dn:
        np.copyto(band, NODATA_DN, where=hidden)


def to_dn(values: NDArray[Any], stored: Stored, dn: NDArray[np.uint16]) -> None:
    """Move stored values to 16-bit codes of digital numbers: valid ones to 1..65535, others to 0.

    Parameters
    ----------
    values : ndarray, shape (height, width), any integer or float type
        As they lie in the file. They are overwritten, those of uint16 excepted.
    stored : Stored
        Which of them mean "no data", and how many DN a unit and a code have.
    dn : ndarray, shape (height, width), uint16
        Filled here with the codes of :meth:`~s2rgb_mpi.inputs.stored.Stored.dn_of_codes`: rounded
        to the nearest, values beyond the ends clipped to them. Values of uint16, which are their
        own codes, may be in this memory already.
    """
    # In the type of the values: -3.4e38 as float64 is not what a float32 band holds.
    with np.errstate(over="ignore"):
        nodata = [np.asarray(value).astype(values.dtype) for value in stored.nodata]
    if values.dtype == np.uint16:
        if not np.shares_memory(dn, values):
            np.copyto(dn, values)
        for value in nodata:
            if value != NODATA_DN:
                np.copyto(dn, NODATA_DN, where=dn == value)
        return
    hidden = ~np.isfinite(values)
    for value in nodata:
        hidden |= values == value
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):  # values too large for the type are clipped
            np.multiply(values, values.dtype.type(stored.gain / stored.step), out=values)
        np.add(values, stored.shift / stored.step, out=values)
        np.rint(values, out=values)
        shift = 0
    else:
        shift = stored.shift  # added at the end: the values' own type may be too small for the sum
    np.maximum(values, -shift, out=values)
    highest = DN_COUNT - 2 - shift
    if values.dtype.kind == "f" or np.iinfo(values.dtype).max > highest:
        np.minimum(values, highest, out=values)
    np.copyto(values, 0, where=hidden)
    np.copyto(dn, values, casting="unsafe")
    # Code 1 is the lowest DN. Modulo 65,536, as the values were copied.
    np.add(dn, np.uint16(shift + 1), out=dn)
    np.copyto(dn, NODATA_DN, where=hidden)
