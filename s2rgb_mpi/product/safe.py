"""SAFE products: which band files, which offsets, by ESA's own metadata."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from s2rgb_mpi.errors import InputError, UsageError
from s2rgb_mpi.product.bands import join
from s2rgb_mpi.product.calibrate import Stated
from s2rgb_mpi.product.metadata import Tree, parse
from s2rgb_mpi.product.model import RGB_BANDS, Choice, Listed, Product
from s2rgb_mpi.product.places import L1C_METADATA, L2A_METADATA, Archive, Folder, metadata_kind
from s2rgb_mpi.radiometry import DN_COUNT, NODATA_DN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s2rgb_mpi.product.places import Place

BAND_IDS = {"B04": "3", "B03": "2", "B02": "1"}
"""ESA's `band_id` of each band, for products whose metadata carry no Spectral_Information."""

NATIVE_RESOLUTION = 10
"""The pixel size of B04, B03 and B02 at Level-1C, metres: there they have no other."""


class _Level(NamedTuple):
    """What the metadata of a processing level call things; older names stand last."""

    offset: str
    quantification: tuple[str, ...]


_LEVELS = {
    L2A_METADATA: _Level(
        "BOA_ADD_OFFSET", ("BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE")
    ),
    L1C_METADATA: _Level("RADIO_ADD_OFFSET", ("QUANTIFICATION_VALUE",)),
}

_IMAGES = ("IMAGE_FILE", "IMAGE_FILE_2A", "IMAGE_ID_2A", "IMAGE_ID")
"""Paths of images, without their ending; the last two are bare names in the granule's folder."""


def open_safe(path: str, choice: Choice | None = None) -> Product:
    """Read what a SAFE product says of itself.

    Parameters
    ----------
    path : str
        The SAFE folder, the metadata file in it (``MTD_MSIL2A.xml``), or a zip of the folder.
    choice : Choice, optional
        Resolution, level, and what the user states of the values.

    Returns
    -------
    Product
        The bands B04, B03, B02 at the resolution of the choice.

    Raises
    ------
    InputError
        No such product, or its metadata or band files are not what they must be.

    Notes
    -----
    Sentinel-2 Products Specification Document, L2A product metadata, issues 12 to 14. The offset
    list is read, never guessed from the processing baseline or the date: products of baseline
    99.99 have none, and reprocessed products sensed before 2022 have one.
    """
    choice = choice or Choice()
    place, metadata = _find(Path(path), choice)
    said = place.say(metadata)
    tree = parse(said, place.read(metadata))
    _refuse_several_granules(said, tree)
    level = metadata_kind(metadata)
    stated = _stated(said, tree, _LEVELS[level])
    suffix = _suffix(said, level, choice.resolution)
    listed = [
        Listed(
            band,
            _band_file(place, metadata, tree, f"_{band}{suffix}"),
            metadata=stated[band],
            nodata=_nodata(said, tree),
            masks=False,
        )
        for band in RGB_BANDS
    ]
    name = tree.first("PRODUCT_URI", "PRODUCT_URI_2A") or place.name
    return replace(
        join(name.removesuffix(".SAFE"), listed, choice),
        sensing_time=tree.first("PRODUCT_START_TIME"),
        baseline=tree.first("PROCESSING_BASELINE"),
        is_sentinel_2=True,
    )


def _find(path: Path, choice: Choice) -> tuple[Place, str]:
    """Return where the product's files are, and the name of its metadata file."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if path.is_file() and path.suffix.lower() != ".zip" and not metadata_kind(path.name):
        raise InputError(f"{path}: not a SAFE folder and not an MTD_MSIL2A.xml")
    place: Place = Folder(path if path.is_dir() else path.parent)
    names = place.names() if path.is_dir() else [path.name]
    if path.is_file() and not metadata_kind(path.name):
        place = Archive(path)
        names = place.names()
    kinds = {metadata_kind(name): name for name in names}
    if L2A_METADATA in kinds:
        return place, kinds[L2A_METADATA]
    if L1C_METADATA not in kinds:
        raise InputError(f"{path}: no MTD_MSIL2A.xml in this folder")
    if not choice.allow_l1c:
        raise InputError(
            f"{path}: Level-1C (top of atmosphere); Level-2A is needed, or --allow-l1c"
        )
    return place, kinds[L1C_METADATA]


def _refuse_several_granules(said: str, tree: Tree) -> None:
    """Refuse products of 2015 and 2016 that hold several granules: they are several images."""
    # The same granule may be listed once per resolution.
    nodes = tree.all("Granule", "Granules")
    names = list(dict.fromkeys(node.get("granuleIdentifier", "") for node in nodes))
    if len(names) > 1:
        raise InputError(f"{said}: {len(names)} granules, where one is needed: {', '.join(names)}")


def _stated(said: str, tree: Tree, level: _Level) -> dict[str, Stated]:
    """Read offset and quantification of the three bands."""
    text = tree.first(*level.quantification)
    if not text:
        raise InputError(f"{said}: no readable calibration: no {level.quantification[0]}")
    try:
        quantification = float(text)
        offsets = {node.attrib["band_id"]: int(node.text or "") for node in tree.all(level.offset)}
    except (KeyError, ValueError) as error:
        raise InputError(f"{said}: no readable calibration: {error}") from error
    ids = BAND_IDS | dict(_spectral_ids(tree))
    missing = [band for band in RGB_BANDS if offsets and ids[band] not in offsets]
    if missing:
        raise InputError(f"{said}: {level.offset} lacks band {', '.join(missing)}")
    source = f"{level.offset} of the product's metadata"
    if not offsets:
        source = f"the product's metadata, which have no {level.offset}"
    try:
        return {
            band: Stated(source, offsets.get(ids[band], 0), quantification, floats=Stated())
            for band in RGB_BANDS
        }
    except UsageError as error:
        raise InputError(f"{said}: {error}") from error


def _nodata(said: str, tree: Tree) -> int:
    """Read which DN means "no data"."""
    texts, indices = tree.texts("SPECIAL_VALUE_TEXT"), tree.texts("SPECIAL_VALUE_INDEX")
    try:
        value = dict(zip(texts, map(int, indices), strict=True)).get("NODATA", NODATA_DN)
    except ValueError as error:
        raise InputError(f"{said}: no readable calibration: {error}") from error
    if not 0 <= value < DN_COUNT:
        raise InputError(
            f"{said}: no readable calibration: no data must be a DN, 0..65535, not {value}"
        )
    return value


def _spectral_ids(tree: Tree) -> Iterator[tuple[str, str]]:
    """Read which `band_id` each physical band has; "B4" and "B04" are the same band."""
    for node in tree.all("Spectral_Information"):
        physical = node.get("physicalBand", "")
        if physical[1:].isdigit() and "bandId" in node.attrib:
            yield f"B{int(physical[1:]):02}", node.attrib["bandId"]


def _suffix(said: str, level: str, resolution: int) -> str:
    """Return what follows the band in an image's name."""
    if level == L2A_METADATA:
        return f"_{resolution}m"
    if resolution != NATIVE_RESOLUTION:
        raise InputError(f"{said}: Level-1C has these bands at 10 m only, not {resolution} m")
    return ""


def _images(tree: Tree) -> list[str]:
    """List the product's images, relative to its top folder, without their ending."""
    images = []
    for node in tree.all("Granule", "Granules"):
        granule = f"GRANULE/{node.get('granuleIdentifier', '')}/IMG_DATA"
        for child in node:
            name = (child.text or "").strip()
            if child.tag.rpartition("}")[2] not in _IMAGES:
                continue
            resolution = name.rpartition("_")[2]
            bare = f"{granule}/R{resolution}/{name}" if resolution.endswith("m") else name
            images.append(name if "/" in name else bare)
    return images


def _band_file(place: Place, metadata: str, tree: Tree, suffix: str) -> str:
    """Find the one image whose name ends so, and refuse one that leaves the product."""
    said = place.say(metadata)
    images = [image for image in _images(tree) if image.endswith(suffix)]
    if len(images) != 1:
        band, _, resolution = suffix[1:].partition("_")
        at = f" at {resolution.removesuffix('m')} m" if resolution else ""
        raise InputError(f"{said}: lists {len(images)} files of {band}{at}, not one")
    try:
        file = place.gdal_name(f"{images[0]}.jp2")
    except InputError as error:
        raise InputError(f"{said}: {str(error).replace('.jp2', '')}") from error
    if file is None:
        name = place.say(f"{images[0]}.jp2")
        raise InputError(f"{name}: no such file, though {metadata} lists it")
    return file
