"""SAFE products: their band files and offsets, by ESA's own metadata."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from s2rgb_mpi.errors import InputError
from s2rgb_mpi.inputs.bands import join
from s2rgb_mpi.inputs.classified import classified
from s2rgb_mpi.inputs.files.downloads import HEAD_NBYTES, refuse_answer
from s2rgb_mpi.inputs.files.locate import locate
from s2rgb_mpi.inputs.listed import Listed
from s2rgb_mpi.inputs.product import RESOLUTIONS, RGB_BANDS, Choice, Product
from s2rgb_mpi.inputs.safe_classification import classifications
from s2rgb_mpi.inputs.safe_files import L2A_METADATA, leaves, metadata_kind
from s2rgb_mpi.inputs.safe_grid import read_geocoding
from s2rgb_mpi.inputs.safe_values import describe
from s2rgb_mpi.inputs.safe_xml import parse
from s2rgb_mpi.inputs.source_size import choose

if TYPE_CHECKING:
    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.inputs.files.locate import Found
    from s2rgb_mpi.inputs.safe_files import Place
    from s2rgb_mpi.inputs.safe_grid import Placed
    from s2rgb_mpi.inputs.safe_values import Described
    from s2rgb_mpi.inputs.safe_xml import Tree

_IMAGES = ("IMAGE_FILE", "IMAGE_FILE_2A", "IMAGE_ID_2A", "IMAGE_ID")
"""Elements with paths of images, without extension; those of the last two are bare names in the
granule's folder."""


def open_safe(name: str, choice: Choice | None = None) -> list[Product]:
    """Open a SAFE product by its metadata.

    Parameters
    ----------
    name : str
        Path, URL or GDAL's name of the SAFE folder, of a folder that holds it, of the metadata
        file in it (``MTD_MSIL2A.xml``), or of a zip or tar of the folder.
    choice : Choice, optional
        Resolution, level, granule, and what the user states of the values.

    Returns
    -------
    list of Product
        One for each granule, in the order of the metadata: the bands B04, B03, B02 at the
        resolution of the choice. Products since the end of 2016 have one granule.

    Raises
    ------
    InputError
        There is no such product, or its metadata or band files are invalid.

    Notes
    -----
    Sentinel-2 Products Specification Document, L2A product metadata, issues 12 to 14.
    """
    choice = choice or Choice()
    found = locate(name, choice)
    if found is None or found.is_tile:
        raise InputError(f"{name}: not a SAFE folder and not an MTD_MSIL2A.xml")
    return read_safe(found, choice)


def read_safe(found: Found, choice: Choice) -> list[Product]:
    """Open a SAFE product that has been located, by its metadata.

    Parameters
    ----------
    found : Found
        The place of its files, and its metadata file.
    choice : Choice
        Resolution, granule, and what the user states of the values.

    Returns
    -------
    list of Product
        As :func:`open_safe` does.
    """
    described, tree = described_by(found)
    listed = granules(tree)
    chosen = _chosen(found, listed, choice)
    several = len(listed) > 1
    return [
        _product(
            found, replace(described, name=identifier) if several else described, images, choice
        )
        for identifier, images in chosen.items()
    ]


def described_by(found: Found) -> tuple[Described, Tree]:
    """Read the metadata file of a product: the statements about its values, and the whole tree."""
    place, metadata = found
    said = place.say(metadata)
    text = place.read(metadata)
    refuse_answer(said, text[:HEAD_NBYTES])  # some servers send a page instead of a missing file
    tree = parse(said, text)
    return describe(said, tree, metadata_kind(metadata), place.name), tree


def _product(found: Found, described: Described, images: list[str], choice: Choice) -> Product:
    """Join the bands of one granule."""
    place, metadata = found
    said = place.say(metadata)

    def names(resolution: int) -> dict[str, str]:
        suffix = _suffix(said, metadata_kind(metadata), resolution)
        return {band: f"{_image(said, images, f'_{band}{suffix}')}.jp2" for band in RGB_BANDS}

    def has(resolution: int) -> bool:
        """Return whether the images are listed and exist: some users keep only those they need."""
        try:
            files = names(resolution)
        except InputError:
            return False
        return all(place.gdal_name(file) for file in files.values())

    placed, warning = granule_geocoding(place, names(choice.resolution)[RGB_BANDS[0]])

    def joined(resolution: int) -> Product:
        listed = [
            Listed(
                band,
                _band_file(found, file),
                metadata=described.of(band, said),
                nodata=described.nodata,
                internal=True,
                placed=placed.get(resolution),
            )
            for band, file in names(resolution).items()
        ]
        return join(described.name, listed, choice)

    def finest() -> Grid:
        stated = placed.get(choice.resolution)
        return joined(choice.resolution).grid if stated is None else stated.grid

    product = joined(choose(choice, has, finest))
    if choice.clouds:
        product = classified(
            product, classifications(found, images, placed), choice, advice=_advice(metadata)
        )
    return replace(
        product,
        cloud_cover=described.cloud_cover,
        sensing_time=described.sensing_time,
        baseline=described.baseline,
        is_sentinel_2=True,
        warnings=(*described.relevant(choice), *warning, *product.warnings),
    )


def _advice(metadata: str) -> str:
    """Return what to do about a product without a scene classification."""
    if metadata_kind(metadata) != L2A_METADATA:
        return "Level-1C products have none: Level-2A is needed"
    return "its R20m/..._SCL_20m.jp2 is missing: download it again"


def granule_geocoding(place: Place, image: str) -> tuple[dict[int, Placed], tuple[str, ...]]:
    """Read the grids of the images of a granule from the granule's own metadata.

    Parameters
    ----------
    place : Place
        The place of the product's files.
    image : str
        One of the granule's images, relative to the product's folder.

    Returns
    -------
    (dict of int to Placed, tuple of str)
        Grids by resolution, metres; empty if there are no such metadata. Warnings if these cannot
        be read, so that the georeference of the images themselves is used.
    """
    folder, _, inside = image.partition("/IMG_DATA/")
    if not inside:
        return {}, ()
    identifier = folder.rpartition("/")[2]
    # Until 2016 the file was named after its granule.
    old = re.sub(r"_N\d\d\.\d\d$", "", identifier).replace("_MSI_", "_MTD_")
    try:
        for name in ("MTD_TL.xml", *([f"{old}.xml"] if "_TL_" in identifier else [])):
            text = place.read_if_there(f"{folder}/{name}")
            if text is not None:
                said = place.say(f"{folder}/{name}")
                return read_geocoding(said, parse(said, text)), ()
    except InputError as error:
        return {}, (f"{error}; the georeference of the images themselves is used",)
    return {}, ()


def granules(tree: Tree) -> dict[str, list[str]]:
    """List the images of each granule, relative to the product's folder, without extension."""
    found: dict[str, list[str]] = {}
    for node in tree.all("Granule", "Granules"):
        # The same granule may be listed once per resolution.
        identifier = node.get("granuleIdentifier", "")
        images = found.setdefault(identifier, [])
        folder = f"GRANULE/{identifier}/IMG_DATA"
        for child in node:
            name = (child.text or "").strip()
            if child.tag.rpartition("}")[2] not in _IMAGES:
                continue
            resolution = name.rpartition("_")[2]
            bare = f"R{resolution}/{name}" if resolution.endswith("m") else name
            images.append(name if "/" in name else f"{folder}/{bare}")
    return found


def _chosen(found: Found, listed: dict[str, list[str]], choice: Choice) -> dict[str, list[str]]:
    """Return the granule requested by its identifier or its tile, or all granules."""
    if not listed:
        raise InputError(f"{found.place.say(found.metadata)}: lists no granule")
    if choice.granule is None:
        return listed
    wanted = choice.granule.upper()
    chosen = {
        identifier: images
        for identifier, images in listed.items()
        if wanted == identifier.upper() or f"T{wanted.removeprefix('T')}" in identifier.split("_")
    }
    if len(chosen) != 1:
        raise InputError(
            f"{found.place.say(found.metadata)}: --granule {choice.granule}:"
            f" {'several have this tile' if chosen else 'no such granule'}; the product has"
            f" {', '.join(listed)}"
        )
    return chosen


def _suffix(said: str, level: str, resolution: int) -> str:
    """Return the part of an image's name after the band."""
    if level == L2A_METADATA:
        return f"_{resolution}m"
    if resolution != RESOLUTIONS[0]:
        raise InputError(f"{said}: Level-1C has these bands at 10 m only, not {resolution} m")
    return ""


def _image(said: str, images: list[str], suffix: str) -> str:
    """Return the only image whose name has a suffix."""
    found = [image for image in images if image.endswith(suffix)]
    if len(found) != 1:
        band, _, resolution = suffix[1:].partition("_")
        at = f" at {resolution.removesuffix('m')} m" if resolution else ""
        count = f"{len(found)} files" if found else "no file"
        raise InputError(f"{said}: lists {count} of {band}{at}, where one is needed")
    return found[0]


def _band_file(found: Found, name: str) -> str:
    """Return GDAL's name of an image; reject a path that leaves the product's folder."""
    place, metadata = found
    if leaves(name):
        image = name.removesuffix(".jp2")
        raise InputError(f"{place.say(metadata)}: {image} leaves the product folder")
    file = place.gdal_name(name)
    if file is None:
        raise InputError(f"{place.say(name)}: no such file, though {metadata} lists it")
    return file
