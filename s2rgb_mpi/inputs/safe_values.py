"""The statements of a SAFE product's metadata on its values: offsets, quantification, "no data"."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from s2rgb_mpi.errors import InputError, UsageError
from s2rgb_mpi.image.radiometry import DN_COUNT, NODATA_DN
from s2rgb_mpi.inputs.baseline import baseline_of, has_offset
from s2rgb_mpi.inputs.calibration import Stated
from s2rgb_mpi.inputs.safe_files import L1C_METADATA, L2A_METADATA
from s2rgb_mpi.inputs.safe_xml import number, whole_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from s2rgb_mpi.inputs.product import Choice
    from s2rgb_mpi.inputs.safe_xml import Tree

BANDS = (
    *("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A"),
    *("B09", "B10", "B11", "B12"),
)
"""ESA's names of the bands that hold reflectance, in the order of their `band_id`."""


class _Level(NamedTuple):
    """Names of elements in the metadata of a processing level; older names last."""

    offset: str
    quantification: tuple[str, ...]


_LEVELS = {
    L2A_METADATA: _Level(
        "BOA_ADD_OFFSET", ("BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE")
    ),
    L1C_METADATA: _Level("RADIO_ADD_OFFSET", ("QUANTIFICATION_VALUE",)),
}


@dataclass(frozen=True)
class Described:
    """The statements of a product's metadata, for all of its granules and bands.

    Parameters
    ----------
    name : str
        The product's identifier, without ``.SAFE``.
    stated : mapping of str to Stated
        Offset and quantification by ESA's names of the bands.
    nodata : int
        The DN of "no data".
    sensing_time : str
        UTC, ISO 8601; empty where unknown.
    baseline : str
        Processing baseline, such as 05.09; empty where unknown.
    warnings : tuple of str
        They apply unless the user states the offset; each begins with a path.
    cloud_cover : float, optional
        Share of clouds, percent.
    """

    name: str
    stated: Mapping[str, Stated]
    nodata: int = 0
    sensing_time: str = ""
    baseline: str = ""
    warnings: tuple[str, ...] = ()
    cloud_cover: float | None = None

    def of(self, band: str, said: str) -> Stated:
        """Return the statement about a band.

        Raises
        ------
        InputError
            There is none, although there are statements about other bands.
        """
        if band not in self.stated:
            raise InputError(f"{said}: BOA_ADD_OFFSET lacks band {band}")
        return self.stated[band]

    def relevant(self, choice: Choice) -> tuple[str, ...]:
        """Return the warnings that apply: none if the user states the offset."""
        return self.warnings if choice.offset is None else ()


def describe(said: str, tree: Tree, level: str, folder: str) -> Described:
    """Read the statements of a product's metadata on its values.

    Parameters
    ----------
    said : str
        The name of the metadata for messages.
    tree : Tree
        The content of ``MTD_MSIL2A.xml`` or ``MTD_MSIL1C.xml``.
    level : str
        Which of the two.
    folder : str
        Name of the product's folder; used if the metadata have no name of the product.

    Raises
    ------
    InputError
        Required metadata are missing or invalid.

    Notes
    -----
    The offset list is read, never guessed from the processing baseline or the date: products of
    baseline 99.99 have none, and reprocessed products sensed before 2022 have one.
    """
    names = _LEVELS[level]
    name = (tree.first("PRODUCT_URI", "PRODUCT_URI_2A") or folder).removesuffix(".SAFE")
    baseline = tree.first("PROCESSING_BASELINE") or baseline_of(name)
    warning = ""
    if has_offset(baseline) and not tree.all(names.offset):
        warning = (
            f"{said}: no {names.offset}, which products of processing baseline {baseline} have;"
            " no offset is applied; give --offset -1000 if the list has been lost, else --offset 0"
        )
    return Described(
        name=name,
        stated=_stated(said, tree, names),
        nodata=_nodata(said, tree),
        sensing_time=tree.first("PRODUCT_START_TIME"),
        baseline=baseline,
        warnings=(warning,) if warning else (),
        cloud_cover=cloud_cover(tree),
    )


def cloud_cover(tree: Tree) -> float | None:
    """Return the share of clouds in a product or tile, percent; None where it is not stated.

    Notes
    -----
    ``Cloud_Coverage_Assessment`` of the product is what catalogues search by; that of a tile,
    ``CLOUDY_PIXEL_PERCENTAGE``, is the same number. Both count classes 8, 9 and 10.
    """
    text = tree.first("Cloud_Coverage_Assessment", "CLOUDY_PIXEL_PERCENTAGE")
    with suppress(ValueError):
        return number(text)
    return None


def _stated(said: str, tree: Tree, level: _Level) -> dict[str, Stated]:
    """Read offset and quantification of each band."""
    text = tree.first(*level.quantification)
    if not text:
        raise InputError(f"{said}: no readable calibration: no {level.quantification[0]}")
    try:
        quantification = number(text)
        offsets = _offsets(tree, level)
    except ValueError as error:
        raise InputError(f"{said}: no readable calibration: {error}") from error
    ids = {band: str(band_id) for band_id, band in enumerate(BANDS)} | dict(_spectral_ids(tree))
    source = f"{level.offset} of the product's metadata"
    if not offsets:
        source = f"the product's metadata, which have no {level.offset}"
    try:
        return {
            band: Stated(source, offsets.get(ids[band], 0), quantification, floats=Stated())
            for band in BANDS
            if not offsets or ids[band] in offsets
        }
    except UsageError as error:
        raise InputError(f"{said}: {error}") from error


def _offsets(tree: Tree, level: _Level) -> dict[str, int]:
    """Read the offset list: DN by `band_id`.

    Raises
    ------
    ValueError
        An entry has no `band_id` or is not a whole number, or two entries contradict each other.
    """
    offsets: dict[str, int] = {}
    for node in tree.all(level.offset):
        band_id, offset = node.get("band_id", "").strip(), whole_number(node.text)
        if not band_id:
            raise ValueError(f"a {level.offset} without band_id")
        if offsets.setdefault(band_id, offset) != offset:
            raise ValueError(
                f"{level.offset} of band_id {band_id} is {offsets[band_id]} and {offset}"
            )
    return offsets


def _nodata(said: str, tree: Tree) -> int:
    """Read which DN means "no data"."""
    texts, indices = tree.texts("SPECIAL_VALUE_TEXT"), tree.texts("SPECIAL_VALUE_INDEX")
    try:
        value = dict(zip(texts, map(whole_number, indices), strict=True)).get("NODATA", NODATA_DN)
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
        if "bandId" in node.attrib and physical[:1] == "B":
            yield f"B{physical[1:]:0>2}", node.attrib["bandId"]
