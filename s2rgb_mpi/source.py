"""The pixels of a product: its bands, opened once, read window by window as DN."""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s2rgb_mpi.errors import InputError, ReadError
from s2rgb_mpi.product import Warper, cause, open_raster
from s2rgb_mpi.radiometry import DN_COUNT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.product import Band, Product, Stored


class Source:
    """One product's bands, opened once and kept open.

    Parameters
    ----------
    product : Product
        What rank 0 found.
    memory : Memory, optional
        Where the pixels are put; several sources may share it if they are read in turn.

    Raises
    ------
    ReadError
        A band that was there when rank 0 looked cannot be opened any more.
    """

    def __init__(self, product: Product, memory: Memory | None = None) -> None:
        self._memory = Memory() if memory is None else memory
        try:
            self._warper = None if product.warp is None else Warper(product.warp, product.grid)
        except RuntimeError as error:  # PROJ has no such grid of a datum shift on this machine
            raise ReadError(f"{product.name}: {error}") from error
        # Bands of one file are read in one call: pixel by pixel, they share its blocks.
        groups = groupby(product.bands, key=lambda band: (band.path, band.stored.dtype))
        self._files = [
            # What is warped is read file by file, into the same memory.
            _File.open(list(bands), self._memory, place if self._warper is None else 0)
            for place, (_, bands) in enumerate(groups)
        ]

    def read(self, window: Window) -> list[NDArray[np.uint16]]:
        """Read one window of all bands.

        Parameters
        ----------
        window : Window
            In pixels of the product's grid, and inside it.

        Returns
        -------
        list of three ndarray, shape (height, width), uint16
            Digital numbers: red, green, blue. Values that lie in the file as other types than
            uint16 are moved to DN, with 0 for "no data". The arrays are reused: the next call
            overwrites them.

        Raises
        ------
        ReadError
            Names the window and the file.
        """
        if self._warper is None:
            return [array for file in self._files for array in file.read(window)]
        return self._warped(self._warper, window)

    def _warped(self, warper: Warper, window: Window) -> list[NDArray[np.uint16]]:
        """Read a window of all bands, resampled onto another grid than that of the files."""
        pieces = list(warper.pieces(window))
        arrays: list[NDArray[np.uint16]] = []
        # File by file, so that GDAL's block cache holds the blocks of one until all have used them.
        for place, file in enumerate(self._files, 1):
            shape = len(file.bands), window.height, window.width
            out = self._memory.array(place, "uint16", shape)
            out[:] = 0
            for piece in pieces:
                inside = piece.target.moved(-window.col_off, -window.row_off).slices
                for dn, target in zip(file.read(piece.source), out, strict=True):
                    try:
                        warper.warp(dn, piece, target[inside])
                    except RuntimeError as error:
                        words = f"{tuple(piece.source)} of {file.bands[0].path}: {error}"
                        raise ReadError(words) from error
            arrays.extend(out)
        return arrays


class Memory:
    """Memory for the pixels of one window, which grows to the largest one."""

    def __init__(self) -> None:
        self._values: dict[tuple[int, str], NDArray[Any]] = {}

    def array(self, place: int, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return an array in memory of its own for each place and type, as it was left."""
        size = math.prod(shape)
        values = self._values.get((place, dtype))
        if values is None or values.size < size:
            values = self._values[place, dtype] = np.empty(size, dtype=dtype)
        return values[:size].reshape(shape)


class _File(NamedTuple):
    """An open file, and which of its bands are read."""

    dataset: Any
    bands: Sequence[Band]
    memory: Memory
    place: int
    """Among the files of the product: each has memory of its own."""

    @classmethod
    def open(cls, bands: Sequence[Band], memory: Memory, place: int) -> _File:
        """Open the file of some bands."""
        try:
            dataset = open_raster(bands[0].path)
        except InputError as error:
            raise ReadError(str(error)) from error
        return cls(dataset, bands, memory, place)

    def read(self, window: Window) -> NDArray[np.uint16]:
        """Read a window: shape (bands, height, width), uint16."""
        shape = len(self.bands), window.height, window.width
        values = self.memory.array(self.place, self.bands[0].stored.dtype, shape)
        numbers = [band.number for band in self.bands]
        try:
            self.dataset.ReadRaster(*window, buf_obj=values.data, band_list=numbers)
        except RuntimeError as error:
            path = self.bands[0].path
            raise ReadError(f"{tuple(window)} of {path}: {cause(error, path)}") from error
        if values.dtype == np.uint16:
            return values
        dn = self.memory.array(self.place, "uint16", shape)
        for band, one, out in zip(self.bands, values, dn, strict=True):
            to_dn(one, band.stored, out)
        return dn


def to_dn(values: NDArray[Any], stored: Stored, dn: NDArray[np.uint16]) -> None:
    """Move stored values to digital numbers: valid ones to 1..65535, the others to 0.

    Parameters
    ----------
    values : ndarray, shape (height, width), any integer or float type
        As they lie in the file.
    stored : Stored
        Which of them mean "no data", and how many DN a unit has.
    dn : ndarray, shape (height, width), uint16
        Filled here: rounded to the nearest, what lies beyond the ends clipped to them.
    """
    valid = np.isfinite(values)
    with np.errstate(over="ignore"):  # what is too large for the type is clipped all the same
        if stored.nodata is not None:
            # In the type of the values: -3.4e38 as float64 is not what a float32 band holds.
            valid &= values != np.asarray(stored.nodata).astype(values.dtype)
        if stored.gain != 1:
            values = values * values.dtype.type(stored.gain)
    if values.dtype.kind == "f":
        values = np.rint(values)
    dn[:] = np.where(valid, np.clip(values, 1, DN_COUNT - 1), 0)
