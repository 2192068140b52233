"""The same products as Zarr stores: `write_eopf` makes one of the scene that `write_safe` has.

It holds what a reader of B04, B03 and B02 needs, and the scene classification if it is wanted, laid
out as three writers do: ESA's sample service (Zarr v2), ESA's converter 3 (Zarr v3) and the EOPF
Explorer (GeoZarr).
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from s2rgb_mpi.testing.eopf_metadata import (
    COARSEST,
    CRS_CODE,
    coordinates,
    discovery,
    dn_attributes,
    multiscales,
    place_of_band,
    place_of_group,
)
from s2rgb_mpi.testing.levels import LEVELS, levels
from s2rgb_mpi.testing.product import Product
from s2rgb_mpi.testing.safe import to_dn
from s2rgb_mpi.testing.scl import Classification, percentages
from s2rgb_mpi.testing.sky import SKY, Sky
from s2rgb_mpi.testing.texture import BANDS, Scene
from s2rgb_mpi.testing.zarr import ZarrWriter, blosc, zip_store, zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

_FINEST = 10  # resolution in metres
_SCL_FINEST = 20
_REFLECTANCE = "measurements/reflectance"
_CLASSIFICATION = "conditions/mask/l2a_classification"


@dataclass(frozen=True)
class Layout:
    """How a writer lays out its stores.

    Parameters
    ----------
    zarr_format : int
        2 or 3.
    codec : callable
        Makes what encodes the chunks.
    chunks : mapping of int to int
        Edge of a chunk by resolution, metres.
    is_float : bool
        Reflectance with the offset applied, NaN for no data; or else DN.
    leaves_out : bool
        Chunks without data have no file.
    """

    zarr_format: int
    codec: Callable[[], Any]
    chunks: Mapping[int, int]
    is_float: bool = False
    leaves_out: bool = True


LAYOUTS = {
    "v2": Layout(2, blosc, {10: 1830, 20: 1830, 60: 1830}, leaves_out=False),
    "v3": Layout(3, zstd, {10: 1830, 20: 915, 60: 305}),
    "geozarr": Layout(3, blosc, {10: 915, 20: 915, 60: 915}, is_float=True),
}


def write_eopf(
    folder: str | Path,
    *,
    layout: str = "v2",
    granule: str = "32TMT",
    width: int = 10980,
    height: int = 10980,
    baseline: str = "05.09",
    offset: int | None = -1000,
    quantification: int = 10000,
    resolutions: Sequence[int] = (10,),
    date: str = "2022-06-13",
    nodata_fraction: float = 0.05,
    texture: str = "auto",
    seed: int = 0,
    zipped: bool = False,
    chunk: int | None = None,
    sharded: bool = False,
    sky: Sky = SKY,
    scl: Sequence[int] = (),
) -> Path:
    """Write a store with the bands B02, B03 and B04: with the DN of `write_safe`.

    The DN of all bands lie on disk for a while (0.7 GB at full size).

    Parameters
    ----------
    folder : path
        Where to put the store; made if missing.
    layout : str
        A key of `LAYOUTS`.
    granule, width, height, baseline, offset, quantification, resolutions, date, nodata_fraction
        As for :func:`~s2rgb_mpi.testing.safe.write_safe`; of GeoZarr, `resolutions` may also have
        some of :data:`~s2rgb_mpi.testing.levels.LEVELS`.
    texture, seed
        Likewise. Same arguments, same DN.
    zipped : bool
        Write a zip of the store, and no folder.
    chunk : int, optional
        Edge of the chunks of all resolutions, pixels, in place of the layout's.
    sharded : bool
        Whether each band is one file (Zarr v3 only).
    sky, scl
        As for `write_safe`.

    Returns
    -------
    pathlib.Path
        The ``.zarr`` folder, or the ``.zarr.zip`` file if `zipped`.

    Raises
    ------
    ValueError
        An argument that no product can have.
    FileExistsError
        The store is there already.
    ImportError
        numcodecs is not installed.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout {layout!r} is not one of {', '.join(LAYOUTS)}")
    how = LAYOUTS[layout]
    if chunk is not None:
        how = replace(how, chunks=dict.fromkeys((*how.chunks, *LEVELS), chunk))
    if sharded and how.zarr_format == 2:  # noqa: PLR2004  the version's number
        raise ValueError("Zarr v2 has no shards")
    coarse = [size for size in resolutions if size in LEVELS and how.is_float]
    images = tuple(size for size in resolutions if size not in coarse)
    product = Product(
        granule, width, height, baseline, offset, quantification, images, date, tuple(scl)
    )
    scene = Scene(
        width, height, nodata_fraction=nodata_fraction, texture=texture, seed=seed, sky=sky
    )
    classification = Classification(width, height, missed=sky.missed) if scl else None
    name = product.name.removesuffix(".SAFE") + ".zarr"
    final = Path(folder) / (f"{name}.zip" if zipped else name)
    if final.exists():
        raise FileExistsError(f"{final}: exists already")
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=final.parent, prefix=".zarr-") as scratch:
        draft = Path(scratch) / name
        writer = ZarrWriter(draft, how.zarr_format, how.codec(), leaves_out=how.leaves_out)
        dn = _dn(product, scene, classification, Path(scratch))
        for size in product.resolutions:
            values = _values(dn, product, how, size)
            _write_group(writer, product, how, size, values, sharded=sharded)
        for size, values in levels(_values(dn, product, how, COARSEST), coarse) if coarse else ():
            _write_group(writer, product, how, size, values, sharded=sharded)
        shares = None
        if classification is not None:
            classes = classification.classes()
            shares = percentages(classes)
            _write_scl(writer, product, how, classes)
        scales = multiscales([*images, *coarse]) if how.is_float else {}
        writer.group(_REFLECTANCE, scales)
        _write_above(writer, product, how, draft.stem, shares)
        if zipped:
            zip_store(draft, Path(scratch) / final.name).rename(final)
        else:
            draft.rename(final)
    return final


def _dn(
    product: Product, scene: Scene, classification: Classification | None, scratch: Path
) -> NDArray[np.uint16]:
    """Make the DN of all bands, in a file: shape (3, height, width)."""
    shape = len(BANDS), product.height, product.width
    dn = np.memmap(scratch / "dn", dtype=np.uint16, mode="w+", shape=shape)
    for row, reflectance in scene.strips(classification):
        strip = to_dn(reflectance, offset=product.offset, quantification=product.quantification)
        dn[:, row : row + strip.shape[1]] = strip
    return dn


def _write_group(
    writer: ZarrWriter,
    product: Product,
    layout: Layout,
    resolution: int,
    image: NDArray[Any],
    *,
    sharded: bool,
) -> None:
    """Write the bands of one resolution, shape (3, height, width), and their coordinates."""
    group = f"{_REFLECTANCE}/r{resolution}m"
    edge = layout.chunks.get(resolution, min(image.shape[1:]))
    for band, values in zip(BANDS, image, strict=True):
        writer.array(
            f"{group}/{band.lower()}",
            values,
            ["y", "x"],
            place_of_band(product, resolution)
            if layout.is_float
            else dn_attributes(product, resolution, band, layout.zarr_format),
            chunk=(edge, edge),
            sharded=sharded,
        )
    x, y = coordinates(product, resolution, image.shape[1:])
    _write_coordinates(writer, layout, group, x, y)
    place = place_of_group(product, resolution, image.shape[1:])
    writer.group(group, place if layout.is_float else {})


def _write_scl(
    writer: ZarrWriter, product: Product, layout: Layout, classes: NDArray[np.uint8]
) -> None:
    """Write the scene classification of 20 m, and what 60 m has of it."""
    for resolution in product.scl:
        group = f"{_CLASSIFICATION}/r{resolution}m"
        edge, step = layout.chunks[resolution], resolution // _SCL_FINEST
        values = classes[::step, ::step]
        writer.array(f"{group}/scl", values, ["y", "x"], chunk=(edge, edge))
        x, y = coordinates(product, resolution, values.shape)
        _write_coordinates(writer, layout, group, x, y)
        writer.group(group, CRS_CODE if layout.is_float else {})
    while group := group.rpartition("/")[0]:
        writer.group(group)


def _write_coordinates(
    writer: ZarrWriter, layout: Layout, group: str, x: NDArray[np.int64], y: NDArray[np.int64]
) -> None:
    """Write where the pixels of a group are."""
    is_v3 = layout.zarr_format == 3 and not layout.is_float  # noqa: PLR2004  the version's number
    for name, line in (("x", x), ("y", y)):
        writer.array(f"{group}/{name}", line.astype(np.float32 if is_v3 else np.int64), [name])


def _values(
    dn: NDArray[np.uint16], product: Product, layout: Layout, resolution: int
) -> NDArray[Any]:
    """Return DN of a resolution, or reflectance with the offset applied and NaN for no data."""
    step = resolution // _FINEST
    dn = dn[:, ::step, ::step]
    if not layout.is_float:
        return dn
    reflectance = (dn.astype(np.float64) + (product.offset or 0)) / product.quantification
    return np.where(dn == 0, np.nan, reflectance).astype(np.float32)


def _write_above(
    writer: ZarrWriter, product: Product, layout: Layout, name: str, shares: list[float] | None
) -> None:
    """Write the groups above those of the bands, and the root."""
    writer.group("measurements")
    properties = discovery(product, layout.zarr_format, shares)
    item = {"type": "Feature", "id": name, "properties": properties}
    writer.group("", {} if layout.is_float else {"stac_discovery": item})
    writer.consolidate()
