"""The image's STAC item: what it shows, where and when, of what it was made, and its checksum."""

from __future__ import annotations

import hashlib
import json
import os
import re
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osgeo import osr

from s2rgb_mpi.errors import OutputError, UsageError
from s2rgb_mpi.inputs.naming import COLOURS
from s2rgb_mpi.plan.path_fields import followed
from s2rgb_mpi.redact import shown
from s2rgb_mpi.report.footprint import footprint

if TYPE_CHECKING:
    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.inputs.product import Product
    from s2rgb_mpi.plan.plan import Plan
    from s2rgb_mpi.report.run_record import Account

STAC_VERSION = "1.1.0"

EXTENSIONS = [
    f"https://stac-extensions.github.io/{name}/schema.json"
    for name in ("eo/v2.0.0", "file/v2.1.0", "processing/v1.2.0", "projection/v2.0.0")
]

SHA2_256 = "1220"
"""What precedes the digest in a multihash: the code of the function, and 32 bytes of length."""

_NAMED_TIME = re.compile(r"(?:S2[A-D]_MSIL(?:1C|2A)_|(?:L2A_)?T\d{2}[A-Z]{3}_)(\d{8}T\d{6})(?!\d)")
"""The sensing time in the names of ESA's products, and of their band files."""

_SCHEMES = {"/vsicurl/": "", "/vsis3/": "s3://", "/vsigs/": "gs://"}
"""What of GDAL's names makes a URL of them."""


def stac_item(plan: Plan, account: Account, path: Path) -> bytes:
    """Describe the finished image as a STAC item.

    Nothing of the run is in it (no date, no host), so that the same job gives the same bytes.

    Parameters
    ----------
    plan : Plan
        What was done.
    account : Account
        Statistics of the bands, and versions.
    path : Path
        Where the item will be: local files are named relative to its folder.

    Returns
    -------
    bytes
        JSON, indented: a Feature of STAC 1.1.

    Raises
    ------
    OutputError
        The image cannot be read back.
    """
    import pystac  # noqa: PLC0415  an extra, and slow to import

    job = plan.job
    folder = followed(path).absolute().parent.resolve()
    try:
        found = footprint(str(job.output), plan.grid)
        asset = _asset(plan, account, folder)
    except (OSError, RuntimeError) as error:
        cause = getattr(error, "strerror", None) or error
        raise OutputError(f"{job.output}: no STAC item: {cause}; the image is whole") from error
    times = sensing_times(plan)
    first, last = min(times), max(times)
    is_one = first == last
    item = pystac.Item(
        id=job.output.stem,
        geometry=found and found.geometry,
        bbox=found and found.bbox,
        datetime=first if is_one else None,
        start_datetime=None if is_one else first,
        end_datetime=None if is_one else last,
        properties={
            **_gsd(plan),
            **_projection(plan.grid),
            "processing:software": {
                "s2rgb_mpi": account.versions["s2rgb_mpi"],
                "GDAL": account.versions["gdal"],
            },
        },
        stac_extensions=EXTENSIONS,
    )
    item.add_asset("visual", asset)
    for name in dict.fromkeys((*job.products, *chain.from_iterable(job.rgb))):
        href = _href(name, folder)
        is_item = href.lower().endswith((".json", ".geojson"))
        kind = pystac.MediaType.GEOJSON if is_item else None
        item.add_link(pystac.Link("derived_from", href, media_type=kind))
    document = item.to_dict(include_self_link=False, transform_hrefs=False)
    document["stac_version"] = STAC_VERSION  # whichever pystac knows, these are the fields of 1.1
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    # Bytes of a file's name that are not UTF-8 become JSON's own escapes.
    return text.encode(errors="backslashreplace")


def _asset(plan: Plan, account: Account, folder: Path) -> Any:
    """Describe the file; reads all of it."""
    import pystac  # noqa: PLC0415  as above

    job = plan.job
    is_cog = job.profile.layout == "cog"
    bands: list[dict[str, Any]] = [
        {"name": band.name, "eo:common_name": common, "statistics": dict(band.statistics)}
        for band, common in zip(account.bands, COLOURS.values(), strict=True)
    ]
    if job.profile.mask == "alpha":
        bands.append({"name": "alpha", "description": "255 where there is data, 0 where not"})
    with job.output.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        nbytes = os.fstat(file.fileno()).st_size
    return pystac.Asset(
        _relative(job.output, folder),
        title="True colour (B04, B03, B02)",
        media_type=pystac.MediaType.COG if is_cog else pystac.MediaType.GEOTIFF,
        roles=["visual", "data"],
        extra_fields={
            # What all bands have in common is stated once.
            "data_type": "uint8",
            **({"nodata": 0} if job.profile.mask == "nodata" else {}),
            "bands": bands,
            "file:size": nbytes,
            "file:checksum": SHA2_256 + digest,
        },
    )


def sensing_times(plan: Plan) -> list[datetime]:
    """Return the sensing time of every product, UTC.

    Raises
    ------
    UsageError
        One of them is unknown; an item without a time is not valid.
    """
    return [_sensing_time(member.product) for member in plan.scene.members]


def _sensing_time(product: Product) -> datetime:
    """Return a product's sensing time: as its metadata state it, or else as in its name."""
    named = _NAMED_TIME.match(product.name)
    for stated in (product.sensing_time, named[1] if named else ""):
        try:
            time = datetime.fromisoformat(stated)
            return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    raise UsageError(f"--stac: {product.name}: no sensing time is known, and an item must have one")


def _gsd(plan: Plan) -> dict[str, float]:
    """Return the ground sample distance: of the inputs, whatever they were resampled to."""
    sizes = []
    for member in plan.scene.members:
        grid, _ = member.product.files
        crs = osr.SpatialReference(grid.crs) if grid.crs else None
        if crs is None or not crs.IsProjected():
            return {}
        sizes.append(abs(grid.transform[1]) * crs.GetLinearUnits())
    return {"gsd": max(sizes)}


def _projection(grid: Grid) -> dict[str, Any]:
    """Return the fields of the projection extension."""
    x, dx, rx, y, ry, dy = grid.transform
    corners = [
        (x + col * dx + row * rx, y + col * ry + row * dy)
        for col in (0, grid.width)
        for row in (0, grid.height)
    ]
    xs, ys = zip(*corners, strict=True)
    return {
        **_crs(grid.crs),
        "proj:shape": [grid.height, grid.width],
        "proj:transform": [dx, rx, x, ry, dy, y],
        "proj:bbox": [min(xs), min(ys), max(xs), max(ys)],
    }


def _crs(wkt: str) -> dict[str, Any]:
    """Return the code of a CRS, or without one its description."""
    if not wkt:
        return {"proj:code": None}
    crs = osr.SpatialReference(wkt)
    authority, code = crs.GetAuthorityName(None), crs.GetAuthorityCode(None)
    if authority and code:
        return {"proj:code": f"{authority}:{code}"}
    return {"proj:code": None, "proj:wkt2": crs.ExportToWkt(["FORMAT=WKT2_2019"])}


def _href(name: str, folder: Path) -> str:
    """Return an input as an item in a folder refers to it, without secrets.

    A relative path becomes relative to the item, as STAC understands it; all else stays as given.
    """
    path = Path(name)
    if not path.is_absolute() and os.path.lexists(path):
        return _relative(path, folder)
    href = shown(name)
    for begin, scheme in _SCHEMES.items():
        if href.startswith(begin):
            return scheme + href.removeprefix(begin)
    return href


def _relative(path: Path, folder: Path) -> str:
    """Return a path relative to a folder; the name itself is kept, even if it is a link."""
    absolute = path.absolute()
    relative = os.path.relpath(absolute.parent.resolve() / absolute.name, folder)
    return relative if relative.startswith("..") else f"./{relative}"
