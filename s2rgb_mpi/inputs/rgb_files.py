"""Three band files given by the user (--rgb): the metadata of the product around them apply."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from s2rgb_mpi.errors import AbsentError, InputError
from s2rgb_mpi.inputs.aws import read_tile
from s2rgb_mpi.inputs.bands import join
from s2rgb_mpi.inputs.classification import SCL, SCL_RESOLUTIONS
from s2rgb_mpi.inputs.classified import classified
from s2rgb_mpi.inputs.eopf import as_arrays
from s2rgb_mpi.inputs.files.locate import TILE, TILE_METADATA, Found, is_tile, refuse_l1c
from s2rgb_mpi.inputs.files.remote import gdal_name, is_remote, split_query
from s2rgb_mpi.inputs.files.server import Server
from s2rgb_mpi.inputs.listed import Listed
from s2rgb_mpi.inputs.naming import FILE, out_of_order
from s2rgb_mpi.inputs.product import RGB_BANDS, Choice, Product
from s2rgb_mpi.inputs.safe import described_by, granule_geocoding, granules
from s2rgb_mpi.inputs.safe_files import L1C_METADATA, Folder, metadata_kind
from s2rgb_mpi.redact import file_name, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.inputs.safe_grid import Placed

_ESA_BAND = re.compile(
    r"(L2A_)?(T\d\d[A-Z]{3}_\d{8}T\d{6}|S2[A-Z]_(OPER|USER)_MSI_\w+)_B\d[\dA](_\d\dm)?\.\w+"
)
"""A band that comes from a SAFE product, by its name alone."""

_L1C_METRES = {"B02": 10, "B03": 10, "B04": 10, "B08": 10, "B01": 60, "B09": 60, "B10": 60}
"""The pixel size of each band at Level-1C, metres; all other bands have 20 m."""

_FOLDERS_UP = 5
"""How many folders above a band's file its product is looked for: GRANULE/x/IMG_DATA/R10m/."""


@dataclass(frozen=True)
class _Home:
    """The product in whose folder a band's file lies, and the file's name there."""

    found: Found
    image: str

    @property
    def said(self) -> str:
        """The name of the product's metadata file, or of the tile, for messages."""
        return self.found.place.say("" if self.found.is_tile else self.found.metadata)


class _Statement:
    """The metadata of a product about its bands, read once for all of them."""

    def __init__(self, found: Found, choice: Choice) -> None:
        place, metadata = found
        self.images: set[str] | None = None
        self._place = place
        self._placed: dict[str, dict[int, Placed]] = {}
        self.warnings: list[str] = []
        if found.is_tile:
            tile = read_tile(place, replace(choice, allow_l1c=True))
            self.described, self.is_l1c = tile.described, tile.is_l1c
            self._placed[""] = tile.placed
            return
        self.described, tree = described_by(found)
        self.is_l1c = metadata_kind(metadata) == L1C_METADATA
        # Without their folders: an image that was moved is still the same.
        self.images = {
            PurePosixPath(image).name for images in granules(tree).values() for image in images
        }

    def placed(self, image: str) -> dict[int, Placed]:
        """Return the grids of the images in an image's granule, by resolution."""
        folder = "" if self.images is None else image.partition("/IMG_DATA/")[0]
        if folder not in self._placed:
            self._placed[folder], warnings = granule_geocoding(self._place, image)
            self.warnings += warnings
        return self._placed[folder]


def open_bands(paths: Sequence[str], choice: Choice | None = None) -> Product:
    """Return three single-band files as a product.

    Parameters
    ----------
    paths : sequence of three or four str
        Red, green and blue band file, and perhaps the scene classification: paths, URLs, or GDAL
        dataset names.
    choice : Choice, optional
        What the user states of the values.

    Returns
    -------
    Product
        Files in the folder of a SAFE product, or of a tile of the AWS buckets, are read by its
        metadata. It has a warning if these cannot be used, if the files are in another order by
        their names, or if they have no coordinate reference system.

    Raises
    ------
    InputError
        A file is not one band of 16 bit or more, or not on the grid of the first; or they are of
        a Level-1C product.
    """
    choice = choice or Choice()
    paths, others = paths[: len(RGB_BANDS)], paths[len(RGB_BANDS) :]
    product = _of_bands(paths, choice)
    product = replace(product, warnings=(*out_of_order(paths), *product.warnings))
    if not choice.clouds:
        return product
    listed = (Listed(SCL, gdal_name(path)) for path in others)
    return classified(
        product,
        (as_arrays([each], SCL_RESOLUTIONS[0])[0] for each in listed),
        choice,
        advice="give its file too: --rgb RED GREEN BLUE SCL",
    )


def _of_bands(paths: Sequence[str], choice: Choice) -> Product:
    """Return three band files as a product."""
    bands = _Bands(paths, choice)
    if len(bands.listed) == len(paths):
        return _joined(bands, choice)
    listed = [Listed(name, gdal_name(path)) for name, path in zip(RGB_BANDS, paths, strict=True)]
    name = PurePosixPath(file_name(paths[0])).stem
    product = join(name, as_arrays(listed, choice.resolution), choice, needs_crs=False)
    if not bands.doubts or choice.offset is not None:
        return product
    warning = (
        f"{bands.doubts[0]}; so no metadata are used for these three bands: --offset -1000 is right"
        " for products of baseline 04.00 and later, --offset 0 for older ones"
    )
    return replace(product, warnings=(warning, *product.warnings))


class _Bands:
    """The three files: those that a product describes, and the reasons why others are not.

    Parameters
    ----------
    paths : sequence of three str
        Red, green, blue.
    choice : Choice
        Whether they may be Level-1C.

    Raises
    ------
    InputError
        They are Level-1C, without --allow-l1c.
    """

    def __init__(self, paths: Sequence[str], choice: Choice) -> None:
        self.statements: dict[str, _Statement] = {}
        self.listed: list[Listed] = []
        self.doubts: list[str] = []
        unmatched = []
        servers: dict[str, Server] = {}
        for name, path in zip(RGB_BANDS, paths, strict=True):
            home = _home(path, servers)
            if home is None:
                unmatched.append(path)
                continue
            try:
                if home.said not in self.statements:
                    self.statements[home.said] = _Statement(home.found, choice)
                self.listed.append(_listed(name, path, home, self.statements[home.said]))
            except InputError as error:
                self.doubts.append(str(error))
        for said, statement in self.statements.items():
            if statement.is_l1c:
                refuse_l1c(said, choice)
        for path in unmatched:
            if self.listed or _ESA_BAND.fullmatch(PurePosixPath(split_query(path)[0]).name):
                self.doubts.append(f"{shown(path)}: no MTD_MSIL2A.xml of its product above it")


def _joined(bands: _Bands, choice: Choice) -> Product:
    """Join bands whose metadata are known; each uses those of its own product."""
    first = next(iter(bands.statements.values())).described
    product = join(first.name, bands.listed, choice)
    warnings = [
        text
        for each in bands.statements.values()
        for text in (*each.described.relevant(choice), *each.warnings)
    ]
    if len(bands.statements) > 1:
        products = ", ".join(bands.statements)
        warnings.append(f"{products}: bands of different products, each by its own metadata")
    return replace(
        product,
        cloud_cover=first.cloud_cover,
        sensing_time=first.sensing_time,
        baseline=first.baseline,
        is_sentinel_2=True,
        warnings=(*warnings, *product.warnings),
    )


def _listed(name: str, path: str, home: _Home, statement: _Statement) -> Listed:
    """List a band's file with what its product states of it.

    Raises
    ------
    InputError
        The product does not describe this file.
    """
    file = PurePosixPath(home.image)
    match = FILE.fullmatch(file.name)
    is_listed = statement.images is None or file.stem in statement.images
    if match is None or match[3] != ".jp2" or not is_listed:
        raise InputError(f"{shown(path)}: not one of the images that {home.said} describes")
    band = match[1]
    resolution = 0 if statement.is_l1c else int(match[2] or file.parent.name.strip("Rm") or 0)
    return Listed(
        name,
        gdal_name(path),
        metadata=statement.described.of(band, home.said),
        nodata=statement.described.nodata,
        internal=True,
        placed=statement.placed(home.image).get(resolution or _L1C_METRES.get(band, 20)),
    )


def _home(path: str, servers: dict[str, Server]) -> _Home | None:
    """Find the product in whose folder a file lies, by the file's name; None without one.

    `servers` are those found before, by their addresses: they cache the files they have read.
    """
    if is_remote(path):
        address, query = split_query(path)
        is_band = FILE.fullmatch(PurePosixPath(address).name)
        return _home_on_server(address, query, servers) if is_band else None
    here = Path(path).absolute()
    try:
        behind = here.resolve()
    except (OSError, RuntimeError, ValueError):  # no such file: opening it will raise the error
        return None
    # A link may have any name; or only the link has a name, in a store of nameless files.
    found = (_home_above(each) for each in (here, behind) if FILE.fullmatch(each.name))
    return next(filter(None, found), None)


def _home_above(path: Path) -> _Home | None:
    """Find the product above a path."""
    for top in path.parents[:_FOLDERS_UP]:
        try:
            names = [child.name for child in top.iterdir()]
        except OSError:  # missing, or not permitted: opening the file will raise the error
            continue
        image = path.relative_to(top).as_posix()
        if is_tile(names):
            return _Home(Found(Folder(top), TILE_METADATA), image)
        metadata = sorted(filter(metadata_kind, names), key=metadata_kind)
        if metadata:  # Level-2A's, if both are there
            return _Home(Found(Folder(top), metadata[-1]), image)
    return None


def _home_on_server(address: str, query: str, servers: dict[str, Server]) -> _Home | None:
    """Find the product of a file on a server, by its address."""
    tile = TILE.search(address)
    if tile is not None:
        place = Server(address[: tile.end()] + query)
        return _Home(Found(place, TILE_METADATA), address[tile.end() :].lstrip("/"))
    top, inside, image = address.partition("/GRANULE/")
    if not inside:
        return None
    place = servers.setdefault(top, Server(top + query))
    try:
        names = sorted(filter(metadata_kind, place.names()), key=metadata_kind)
    except AbsentError:
        return None
    return _Home(Found(place, names[-1]), f"GRANULE/{image}") if names else None
