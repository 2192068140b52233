"""The pixels of a product: its bands, opened once, read window by window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s2rgb_mpi.errors import InputError, ReadError
from s2rgb_mpi.product import cause, open_raster, warped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.product import Product


class Source:
    """One product's bands, opened once and kept open.

    Parameters
    ----------
    product : Product
        What rank 0 found.

    Raises
    ------
    ReadError
        A band that was there when rank 0 looked cannot be opened any more.
    """

    def __init__(self, product: Product) -> None:
        self._paths = [band.path for band in product.bands]
        try:
            self._datasets = [open_raster(path) for path in self._paths]
            if product.resampling:
                self._datasets = [
                    warped(dataset, product.grid, product.resampling, band.calibration.nodata)
                    for dataset, band in zip(self._datasets, product.bands, strict=True)
                ]
        except InputError as error:
            raise ReadError(str(error)) from error
        self._buffers = [np.empty(0, dtype=np.uint16) for _ in self._paths]

    def read(self, window: Window) -> list[NDArray[np.uint16]]:
        """Read one window of all bands.

        Parameters
        ----------
        window : Window
            In pixels of the product's own grid, and inside it.

        Returns
        -------
        list of three ndarray, shape (height, width), uint16
            Digital numbers: red, green, blue. The arrays are reused: the next call overwrites
            them.

        Raises
        ------
        ReadError
            Names the window and the file.
        """
        return [self._read_band(number, window) for number in range(len(self._paths))]

    def _read_band(self, number: int, window: Window) -> NDArray[np.uint16]:
        """Read one window of one band into that band's buffer."""
        size = window.height * window.width
        if self._buffers[number].size < size:
            self._buffers[number] = np.empty(size, dtype=np.uint16)
        array = self._buffers[number][:size].reshape(window.height, window.width)
        try:
            self._datasets[number].GetRasterBand(1).ReadRaster(*window, buf_obj=array.data)
        except RuntimeError as error:
            path = self._paths[number]
            raise ReadError(f"{tuple(window)} of {path}: {cause(error, path)}") from error
        return array
