"""From a job to its plan: open the products, lay them out, check the output; no band is read."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from s2rgb_mpi.errors import StrictError, UsageError
from s2rgb_mpi.image.encode import check_codec
from s2rgb_mpi.inputs.cloud_sample import needed_shares
from s2rgb_mpi.inputs.mosaic import lay_out
from s2rgb_mpi.inputs.nodata import impossible
from s2rgb_mpi.inputs.open_products import open_products
from s2rgb_mpi.inputs.product import Choice
from s2rgb_mpi.inputs.rgb_files import open_bands
from s2rgb_mpi.inputs.source_size import Output
from s2rgb_mpi.inputs.warp.onto_grid import lay_out_resampled, web_tiles_of
from s2rgb_mpi.inputs.warp.web_tiles import CRS, WebTiles
from s2rgb_mpi.plan.choosing import ordered, without_clouds
from s2rgb_mpi.plan.job import FULL_RESOLUTION
from s2rgb_mpi.plan.levels import output_nbytes
from s2rgb_mpi.plan.memory import resident_nbytes
from s2rgb_mpi.plan.path_fields import followed
from s2rgb_mpi.plan.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from s2rgb_mpi.inputs.mosaic import Scene
    from s2rgb_mpi.inputs.product import Product
    from s2rgb_mpi.plan.job import Job
    from s2rgb_mpi.plan.plan import Plan


def prepare(job: Job) -> Plan:
    """Read the metadata of the products, check the output, and make the plan; no band is read.

    Raises
    ------
    S2RGBError
        Any error that can be found before the start.
    """
    libraries_nbytes = resident_nbytes()  # before anything else is loaded
    check_codec(job.profile)
    source_map = job.source_map and followed(job.source_map)
    job = replace(job, output=followed(job.output), source_map=source_map)
    scene = _scene(job)
    for path in job.outputs:
        _check_output(job, path)
    plan = replace(make_plan(job, scene), libraries_nbytes=libraries_nbytes)
    if job.clouds != "keep":
        needed = needed_shares(
            scene,
            plan.windows,
            job.cloudy,
            keeps_cloudy=job.clouds == "avoid",
            takes_all=job.composite == "median",
        )
        plan = replace(plan, needed=needed)
    problems = plan.problems
    if job.strict and problems:
        raise StrictError(f"{'; '.join(problems)} (--strict)")
    return plan


def _scene(job: Job) -> Scene:
    """Lay the products out on their own grid, or on the requested one."""
    products = _open(job)
    options = ("--output", "--source-map")
    check_inputs_kept(job, products, dict(zip(options, job.outputs, strict=False)))
    products = without_clouds(products, job.max_cloud)
    # Checked for all products, whether or not --bounds shows them: types may differ.
    warnings = impossible(products, job.nodata)
    products = [replace(each, warnings=(*each.warnings, *warnings)) for each in products]
    return ordered(_laid_out(job, products), job.order, job.cloudy)


def _laid_out(job: Job, products: Sequence[Product]) -> Scene:
    """Lay the products out in the order given."""
    tiles = None
    if job.web_optimized:
        tile, has_levels = job.profile.tile, job.profile.overviews == "auto"
        tiles = web_tiles_of(products[0], job.zoom, tile, has_levels=has_levels)
    if job.crs is None and job.resolution is None and tiles is None:
        return lay_out(products, job.bounds, job.bounds_crs)
    return lay_out_resampled(
        products,
        crs=job.crs if tiles is None else CRS,
        resolution=job.resolution if tiles is None else tiles.resolution,
        resampling=job.resampling,
        bounds=job.bounds,
        bounds_crs=job.bounds_crs,
        step=job.window,
        averages=job.averages,
        tiles=tiles,
    )


def check_inputs_kept(job: Job, products: Iterable[Product], files: Mapping[str, Path]) -> None:
    """Reject a file to be written that is an input file, or the archive of one.

    Parameters
    ----------
    job : Job
        With the inputs as they were given.
    products : iterable of Product
        With the files that they consist of.
    files : mapping of str to Path
        What is to be written, by option.

    Raises
    ------
    UsageError
        With the option and the path.
    """
    products = list(products)
    bands = (band.path for product in products for band in product.bands)
    classes = (each.path for product in products for each in product.classifications)
    for name in dict.fromkeys((*job.products, *bands, *classes)):
        for option, path in files.items():
            with suppress(OSError):  # most of GDAL's own names are not files
                if Path(name).samefile(path) or _is_part(path, Path(name)):
                    raise UsageError(f"{option} {path}: is a file of the input; name another")


def _is_part(path: Path, product: Path) -> bool:
    """Return whether a file that is there belongs to a product's folder.

    Images in it are not the product's: these are JPEG 2000, or parts of a store.
    """
    if not path.is_file() or path.suffix.lower() in {".tif", ".tiff"}:
        return False
    folder = product.parent if product.suffix.lower() == ".xml" else product
    return folder.is_dir() and folder.resolve() in path.resolve().parents


_ELSEWHERE = re.compile(r"\w+:/|/vsi")
"""How URLs, of which a `Path` keeps one slash, and names of GDAL's file systems begin."""


def _check_output(job: Job, path: Path) -> None:
    """Reject an output that cannot be written, before hours of work."""
    folder = path.parent
    if not folder.is_dir() and _ELSEWHERE.match(str(path)):
        raise UsageError(f"{path}: the image is written to a folder here, and copied afterwards")
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder to write into")
    if path.is_dir():
        raise UsageError(f"{path}: is a folder, not a file")
    if path.exists() and not path.is_file():
        # The image would replace it: it may be a device that others use, or one end of a pipe.
        raise UsageError(f"{path}: is not a regular file; name a file for the image")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{folder}: this folder cannot be written to")
    if path.exists() and not job.overwrite and not job.resume:
        raise UsageError(f"{path}: exists already; --overwrite replaces it")


OTHER_FORMATS = frozenset(
    [".avif", ".bmp", ".gif", ".heic", ".j2k", ".jp2", ".jpeg", ".jpg", ".jxl", ".png", ".webp"]
)
"""Suffixes of image formats that are not written."""

MOST_REFLECTANCE = 2.0
"""White above this is hardly meant: the brightest clouds and snow have less."""


def warnings(plan: Plan) -> list[str]:
    """List all warnings before the start."""
    return [*plan.warnings, *_doubts(plan.job), *_short_of_disk(plan)]


def _doubts(job: Job) -> Iterator[str]:
    """List options that are probably a mistake."""
    suffix = job.output.suffix.lower()
    if suffix in OTHER_FORMATS:
        yield (
            f"{job.output}: will be a GeoTIFF, not {suffix}; --compress jpeg or webp keeps"
            " its tiles small, and --quicklook FILE.png writes a small picture"
        )
    white = getattr(job.stretch, "white", 0.0)
    if white > MOST_REFLECTANCE and job.quantification is None:  # else the unit is the user's own
        yield (
            f"--white {white:g}: a reflectance, which is 0 to 1, so the image will be dark;"
            " --white 0.4 suits most scenes"
        )


def _short_of_disk(plan: Plan) -> Iterator[str]:
    """Yield a warning if the disk may be too small."""
    folder = plan.job.output.parent
    free, needed = shutil.disk_usage(folder).free, output_nbytes(plan)
    if free < needed:
        yield (
            f"{folder}: {free / 1e6:.0f} MB are free, the image may need up to"
            f" {needed / 1e6:.0f} MB; a run that fills the disk can be resumed (--resume)"
        )


def _open(job: Job) -> list[Product]:
    """Open the products by their metadata; the values that the user states take precedence."""
    size, output = job.source_resolution, None
    if not isinstance(size, int):
        size = FULL_RESOLUTION
        output = None if job.resolution is None else Output(job.resolution, job.crs)
        if job.zoom is not None:
            output = Output(WebTiles(job.zoom, job.profile.tile).resolution, CRS)
    choice = Choice(
        resolution=size,
        output=output,
        bidx=job.bidx,
        allow_l1c=job.allow_l1c,
        offset=job.offset,
        quantification=job.quantification,
        nodata=job.nodata,
        granule=job.granule,
        clouds=job.needs_classes,
        shares=job.order == "clear",
    )
    if job.rgb:
        return [open_bands(paths, choice) for paths in job.rgb]
    return [product for name in job.products for product in open_products(name, choice)]
