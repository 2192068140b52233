"""SAFE products: which band files, which offsets, by ESA's own metadata."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from s2rgb_mpi.errors import InputError, UsageError
from s2rgb_mpi.product.bands import RGB_BANDS, Band, Product, join
from s2rgb_mpi.radiometry import Calibration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BAND_IDS = {"B04": "3", "B03": "2", "B02": "1"}
"""ESA's `band_id` of each band, for products whose metadata carry no Spectral_Information."""

METADATA_NAME = "mtd_msil2a.xml"
"""The product's metadata file; its letter case differs in the wild."""


def open_safe(path: str) -> Product:
    """Read what a SAFE product says of itself.

    Parameters
    ----------
    path : str
        The SAFE folder, or the ``MTD_MSIL2A.xml`` in it.

    Returns
    -------
    Product
        The 10 m bands B04, B03, B02.

    Raises
    ------
    InputError
        No such product, or its metadata or band files are not what they must be.

    Notes
    -----
    Sentinel-2 Products Specification Document, L2A product metadata. The offset list is read,
    never guessed from the processing baseline or the date: products of baseline 99.99 have
    none, and reprocessed products sensed before 2022 have one.
    """
    metadata = _find_metadata(Path(path))
    tree = _parse(metadata)
    bands = tuple(
        Band(name, str(_band_file(metadata, tree, name)), calibration)
        for name, calibration in _calibrations(metadata, tree).items()
    )
    name = tree.first("PRODUCT_URI") or tree.first("PRODUCT_URI_2A") or metadata.parent.name
    product = join(name.removesuffix(".SAFE"), bands)
    return replace(
        product,
        sensing_time=tree.first("PRODUCT_START_TIME") or "",
        baseline=tree.first("PROCESSING_BASELINE") or "",
    )


class _NoDoctype(ET.TreeBuilder):
    """Refuses a document type: ESA's metadata have none, and entity bombs need one."""

    def doctype(self, name: str, *_: str | None) -> None:
        """Refuse it."""
        raise ET.ParseError(f"document type {name!r} is not allowed")


@dataclass(frozen=True)
class _Tree:
    """An XML document asked by local names: namespaces differ between baselines."""

    nodes: Mapping[str, list[ET.Element]]

    def texts(self, name: str) -> list[str]:
        """Return the text of every element of that name."""
        return [(node.text or "").strip() for node in self.nodes.get(name, [])]

    def first(self, name: str) -> str | None:
        """Return the text of the first element of that name, or None."""
        return next(iter(self.texts(name)), None)


def _find_metadata(path: Path) -> Path:
    """Return the metadata file of the product that `path` names."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if path.is_file():
        if path.name.lower() != METADATA_NAME:
            raise InputError(f"{path}: not a SAFE folder and not an MTD_MSIL2A.xml")
        return path
    try:
        names = {child.name.lower(): child for child in path.iterdir()}
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    if METADATA_NAME in names:
        return names[METADATA_NAME]
    if "mtd_msil1c.xml" in names:
        raise InputError(f"{path}: Level-1C (top of atmosphere); Level-2A is needed")
    raise InputError(f"{path}: no MTD_MSIL2A.xml in this folder")


def _parse(path: Path) -> _Tree:
    """Read the XML file, and group its elements by local name."""
    try:
        parser = ET.XMLParser(target=_NoDoctype())  # noqa: S314  no document type, no bombs
        root = ET.parse(path, parser).getroot()  # noqa: S314
    except (ET.ParseError, OSError, ValueError) as error:
        raise InputError(f"{path}: {error}") from error
    nodes: dict[str, list[ET.Element]] = {}
    for element in root.iter():
        nodes.setdefault(element.tag.rpartition("}")[2], []).append(element)
    return _Tree(nodes)


def _calibrations(path: Path, tree: _Tree) -> dict[str, Calibration]:
    """Read offset, quantification and no-data DN of the three bands."""
    try:
        quantification = float(tree.nodes["BOA_QUANTIFICATION_VALUE"][0].text or "")
        special = dict(
            zip(
                tree.texts("SPECIAL_VALUE_TEXT"),
                map(int, tree.texts("SPECIAL_VALUE_INDEX")),
                strict=True,
            )
        )
        offsets = {
            node.attrib["band_id"]: int(node.text or "")
            for node in tree.nodes.get("BOA_ADD_OFFSET", [])
        }
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: no readable calibration: {error}") from error
    ids = BAND_IDS | dict(_spectral_ids(tree))
    missing = [name for name in RGB_BANDS if offsets and ids[name] not in offsets]
    if missing:
        raise InputError(f"{path}: BOA_ADD_OFFSET lacks band {', '.join(missing)}")
    nodata = special.get("NODATA", 0)
    try:
        return {
            name: Calibration(offsets.get(ids[name], 0), quantification, nodata)
            for name in RGB_BANDS
        }
    except UsageError as error:
        raise InputError(f"{path}: {error}") from error


def _spectral_ids(tree: _Tree) -> Iterator[tuple[str, str]]:
    """Read which `band_id` each physical band has; "B4" and "B04" are the same band."""
    for node in tree.nodes.get("Spectral_Information", []):
        physical = node.get("physicalBand", "")
        if physical[1:].isdigit() and "bandId" in node.attrib:
            yield f"B{int(physical[1:]):02}", node.attrib["bandId"]


def _band_file(path: Path, tree: _Tree, band: str) -> Path:
    """Find the 10 m file of a band, and refuse one that leaves the product."""
    images = [image for image in tree.texts("IMAGE_FILE") if image.endswith(f"_{band}_10m")]
    if len(images) != 1:
        raise InputError(f"{path}: lists {len(images)} files of {band} at 10 m, not one")
    folder = path.parent.resolve()
    file = (folder / f"{images[0]}.jp2").resolve()
    if not file.is_relative_to(folder):
        raise InputError(f"{path}: {images[0]} leaves the product folder")
    if not file.is_file():
        raise InputError(f"{file}: no such file, though {path.name} lists it")
    return file
