"""Open GeoTIFFs as a user of a Python package does; runs in the environment of ci/readers.

    read.py READER FOLDER FILE...

Writes the pixels of FILE to FOLDER/FILE.rgba: (row, col, band) of uint8, red, green, blue and 255
where the reader takes them for valid, 0 where for "no data". Shapes, names of bands and errors go
to FOLDER/found.json.
"""

import asyncio
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Image(NamedTuple):
    """Pixels as (row, col, band), and the names of the bands where the reader knows any."""

    pixels: NDArray[np.uint8]
    names: tuple[str, ...] = ()


def with_validity(bands: NDArray[np.uint8], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Put the validity behind the three colours of (band, row, col)."""
    return np.dstack([*bands[:3], np.where(valid, 255, 0).astype(np.uint8)])


def read_pillow(path: Path) -> Image:
    from PIL import Image as pillow  # noqa: N813

    with pillow.open(path) as image:
        return Image(np.asarray(image))


def read_opencv(path: Path) -> Image:
    import cv2

    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("imread returned None")
    return Image(pixels[..., [2, 1, 0, 3][: pixels.shape[2]]])


def read_imageio(path: Path) -> Image:
    import imageio.v3 as imageio

    # Its only plugin without other packages; by default it prefers tifffile's.
    return Image(imageio.imread(path, plugin="pillow"))


def read_tifffile(path: Path) -> Image:
    import tifffile

    return Image(tifffile.imread(path))


def read_tifffile_alone(path: Path) -> Image:
    # As if they were not installed; Python has the latter, and in it ZSTD, from 3.14 on.
    sys.modules |= dict.fromkeys(("imagecodecs", "compression"))  # type: ignore[arg-type]
    return read_tifffile(path)


def read_skimage(path: Path) -> Image:
    from skimage import io

    return Image(io.imread(path))


def read_rasterio(path: Path) -> Image:
    import rasterio

    with rasterio.open(path) as dataset:
        pixels = with_validity(dataset.read(), dataset.dataset_mask() == 255)
        return Image(pixels, dataset.descriptions)


def read_rio_tiler(path: Path) -> Image:
    from rio_tiler.io import Reader

    with Reader(str(path)) as reader:
        image = reader.read()
        names = tuple(name for _, name in reader.info().band_descriptions)
        return Image(with_validity(image.data, image.mask == 255), names)


def read_async_geotiff(path: Path) -> Image:
    from async_geotiff import GeoTIFF
    from obstore.store import LocalStore

    async def read() -> Any:
        geotiff = await GeoTIFF.open(path.name, store=LocalStore(path.parent))
        return await geotiff.read()

    masked = asyncio.run(read()).as_masked()
    return Image(with_validity(masked.data, ~np.ma.getmaskarray(masked)[:3].any(axis=0)))


READERS: dict[str, Callable[[Path], Image]] = {
    "async-geotiff": read_async_geotiff,
    "imageio": read_imageio,
    "opencv": read_opencv,
    "pillow": read_pillow,
    "rasterio": read_rasterio,
    "rio-tiler": read_rio_tiler,
    "scikit-image": read_skimage,
    "tifffile": read_tifffile,
    "tifffile-alone": read_tifffile_alone,
}


def main(reader: str, folder: Path, paths: list[Path]) -> None:
    warnings.simplefilter("ignore")
    found: dict[str, object] = {}
    for path in paths:
        try:
            pixels, names = READERS[reader](path)
        except Exception as error:  # noqa: BLE001  any error is a result
            found[path.name] = {"error": f"{type(error).__name__}: {error}"}
            continue
        if pixels.shape[2] == 3:  # it says nothing of "no data"
            pixels = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
        pixels.tofile(folder / f"{path.name}.rgba")
        found[path.name] = {"shape": pixels.shape, "names": names}
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), [Path(name) for name in sys.argv[3:]])
