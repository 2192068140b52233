"""Tiles in the layout of the AWS buckets sentinel-s2-l2a and sentinel-s2-l1c.

::

    tiles/32/T/MT/2022/7/18/0/      metadata.xml  tileInfo.json  productInfo.json
                              R10m/ B02.jp2 B03.jp2 B04.jp2 ...   Level-1C: beside the metadata
    products/2022/7/18/NAME/        metadata.xml: that of the product, with its offset list
"""

from __future__ import annotations

import json
import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from s2rgb_mpi.errors import InputError
from s2rgb_mpi.inputs.bands import join
from s2rgb_mpi.inputs.baseline import BASELINE_OFFSET, baseline_of, has_offset
from s2rgb_mpi.inputs.calibration import DN_PER_UNIT, Stated
from s2rgb_mpi.inputs.classification import SCL, SCL_RESOLUTIONS
from s2rgb_mpi.inputs.classified import classified
from s2rgb_mpi.inputs.files.locate import TILE, TILE_METADATA, refuse_l1c
from s2rgb_mpi.inputs.listed import Listed
from s2rgb_mpi.inputs.product import RESOLUTIONS, RGB_BANDS, Choice, Product
from s2rgb_mpi.inputs.safe_files import L1C_METADATA, L2A_METADATA
from s2rgb_mpi.inputs.safe_grid import Placed, read_geocoding
from s2rgb_mpi.inputs.safe_values import BANDS, Described, cloud_cover, describe
from s2rgb_mpi.inputs.safe_xml import parse
from s2rgb_mpi.inputs.source_size import choose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.inputs.safe_files import Place
    from s2rgb_mpi.inputs.safe_xml import Tree


class Tile(NamedTuple):
    """The metadata of a tile: its values, whether it is Level-1C, and the grids of its images."""

    described: Described
    is_l1c: bool
    placed: dict[int, Placed]

    def image(self, band: str, resolution: int) -> str:
        """Return the name of an image, relative to the tile's folder."""
        return f"{band}.jp2" if self.is_l1c else f"R{resolution}m/{band}.jp2"


def open_tile(place: Place, choice: Choice) -> Product:
    """Open a tile of the AWS buckets by its metadata.

    Parameters
    ----------
    place : Place
        The tile's folder.
    choice : Choice
        Resolution, level, and what the user states of the values.

    Returns
    -------
    Product
        The bands B04, B03, B02 of the choice.

    Raises
    ------
    InputError
        A file is missing, or the offset of the values is unknown.
    """
    tile = read_tile(place, choice)
    said = place.say("")
    if tile.is_l1c and choice.resolution != RESOLUTIONS[0]:
        raise InputError(
            f"{said}: Level-1C has these bands at 10 m only, not {choice.resolution} m"
        )

    def joined(resolution: int) -> Product:
        listed = [
            Listed(
                band,
                _image(place, tile.image(band, resolution)),
                metadata=tile.described.of(band, said),
                nodata=tile.described.nodata,
                internal=True,
                placed=tile.placed.get(resolution),
            )
            for band in RGB_BANDS
        ]
        return join(tile.described.name, listed, choice)

    def has(resolution: int) -> bool:
        return not tile.is_l1c and all(
            place.gdal_name(tile.image(band, resolution)) for band in RGB_BANDS
        )

    def finest() -> Grid:
        stated = tile.placed.get(choice.resolution)
        return joined(choice.resolution).grid if stated is None else stated.grid

    product = joined(choose(choice, has, finest))
    if choice.clouds:
        product = classified(
            product,
            _classifications(place, tile),
            choice,
            advice="Level-1C tiles have none: Level-2A is needed"
            if tile.is_l1c
            else f"{tile.image(SCL, SCL_RESOLUTIONS[0])} is missing: download it again",
        )
    return replace(
        product,
        cloud_cover=tile.described.cloud_cover,
        sensing_time=tile.described.sensing_time,
        baseline=tile.described.baseline,
        warnings=(*tile.described.relevant(choice), *product.warnings),
    )


def _classifications(place: Place, tile: Tile) -> Iterator[Listed]:
    """List the scene classifications of a tile that are there."""
    for resolution in () if tile.is_l1c else SCL_RESOLUTIONS:
        file = place.gdal_name(tile.image(SCL, resolution))
        if file is not None:
            yield Listed(SCL, file, internal=True, placed=tile.placed.get(resolution))


def _image(place: Place, image: str) -> str:
    """Return GDAL's name of an image of a tile."""
    path = place.gdal_name(image)
    if path is None:
        raise InputError(f"{place.say(image)}: no such file in this tile of the AWS layout")
    return path


def read_tile(place: Place, choice: Choice) -> Tile:
    """Read the metadata of a tile.

    Notes
    -----
    The offset is that of the product's own list if the product's metadata are available, beside the
    tile or in the bucket. The tile's own metadata have no list, so without those of the product the
    processing baseline decides; in no other kind of folder does it.
    """
    said = place.say("")
    text = place.read_if_there(TILE_METADATA)
    tree = None if text is None else parse(place.say(TILE_METADATA), text)
    info = _json(place, "tileInfo.json")
    product = _json(place, "productInfo.json")
    name = _text(product, "name") or _text(info, "productName")
    if tree is None and not name:
        raise InputError(f"{said}: neither {TILE_METADATA} nor the product's name is there")
    is_l1c = _is_l1c(place, tree, name)
    if is_l1c:
        refuse_l1c(said, choice)
    described = _by_product(place, info, product, is_l1c=is_l1c)
    if described is None:
        described = _by_baseline(place, tree, name, choice)
    time = _text(info, "timestamp") or (tree.first("SENSING_TIME") if tree else "")
    placed = {} if tree is None else read_geocoding(place.say(TILE_METADATA), tree)
    described = replace(
        described,
        sensing_time=described.sensing_time or time,
        cloud_cover=cloud_cover(tree)
        if tree and described.cloud_cover is None
        else described.cloud_cover,
    )
    return Tile(described, is_l1c=is_l1c, placed=placed)


def _is_l1c(place: Place, tree: Tree | None, name: str) -> bool:
    """Return whether a tile is Level-1C: by its metadata, its product's name, or its folders."""
    for level, is_l1c in (("2A", False), ("1C", True)):
        if (tree and tree.all(f"Level-{level}_Tile_ID")) or f"_MSIL{level}_" in name:
            return is_l1c
    return place.gdal_name("R10m/B04.jp2") is None


def _by_product(
    place: Place, info: dict[str, Any], product: dict[str, Any], *, is_l1c: bool
) -> Described | None:
    """Read the metadata of the product that a tile belongs to; None if they are not available."""
    level = L1C_METADATA if is_l1c else L2A_METADATA
    candidates = [(place, "MTD_MSIL1C.xml" if is_l1c else "MTD_MSIL2A.xml")]
    path = _text(product, "path") or _text(info, "productPath")
    bucket = place.above(TILE)
    if path and bucket is not None:
        candidates.append((bucket, posixpath.join(path, TILE_METADATA)))
    for where, file in candidates:
        text = where.read_if_there(file)
        if text is not None:
            said = where.say(file)
            return describe(said, parse(said, text), level, place.name)
    return None


def _by_baseline(place: Place, tree: Tree | None, name: str, choice: Choice) -> Described:
    """Return the values that follow from the baseline in the names of the product and the tile."""
    said = place.say("")
    identifier = tree.first("TILE_ID") if tree else ""
    known = dict.fromkeys(filter(None, (baseline_of(name), baseline_of(identifier))))
    decisions = {has_offset(baseline) for baseline in known}
    if len(decisions) > 1 and choice.offset is None:
        raise InputError(
            f"{said}: processing baseline {' by one name, '.join(known)} by another; give --offset"
        )
    if not known and choice.offset is None:
        raise InputError(
            f"{said}: no processing baseline in {TILE_METADATA} or productInfo.json, so the"
            " offset is unknown; give --offset -1000 (from baseline 04.00 on) or --offset 0"
        )
    baseline = next(iter(known), "")
    source = f"processing baseline {baseline} of the AWS tile, which has no offset list"
    stated = Stated(source, BASELINE_OFFSET if True in decisions else 0.0, DN_PER_UNIT)
    return Described(
        name=name or identifier, stated=dict.fromkeys(BANDS, stated), baseline=baseline
    )


def _json(place: Place, name: str) -> dict[str, Any]:
    """Read a small JSON file of a tile; empty if it is missing, or not a JSON object."""
    text = place.read_if_there(name)
    try:
        content = json.loads(text or b"{}")
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place.say(name)}: not JSON: {error}") from error
    return content if isinstance(content, dict) else {}


def _text(content: dict[str, Any], name: str) -> str:
    """Return a field if it is text, else an empty string."""
    value = content.get(name)
    return value if isinstance(value, str) else ""
