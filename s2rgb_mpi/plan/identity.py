"""All that decides the bytes of the image: a run is resumed only if all of this is unchanged."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from s2rgb_mpi import __version__
from s2rgb_mpi.image.encode import made_by
from s2rgb_mpi.redact import file_name, redact

if TYPE_CHECKING:
    from s2rgb_mpi.inputs.product import Warp
    from s2rgb_mpi.plan.plan import Plan


def identity(plan: Plan) -> dict[str, str]:
    """Return all that decides the bytes of the file, by name: the same for any number of ranks.

    Files are identified by name, size and modification time (or ETag), not by their folder: inputs
    may be copied to another disk between two runs if their times are kept. The query strings of
    URLs are left out, since signatures expire and are renewed.
    """
    job, grid = plan.job, plan.grid
    fields = {
        "program": f"s2rgb_mpi {__version__}",
        "library": made_by(),
        "crs": grid.crs,
        "extent": f"{grid.transform}, {grid.width} x {grid.height}",
        "window": f"{plan.edge[0]} x {plan.edge[1]}",
        "preset": job.stretch.preset,
        **asdict(job.stretch),
        **asdict(job.profile),
    }
    if job.source_map is not None:
        fields["source map"] = "yes"
    if job.composite != "first":
        fields["composite"] = job.composite
    if job.clouds != "keep":
        fields["clouds"] = (
            f"{job.clouds}, classes {job.cloud_classes}, buffer {job.cloud_buffer:g} m"
        )
    if plan.tiling is not None:
        fields["tiles of web maps"] = f"zoom {plan.tiling.zoom}, {plan.levels} levels"
    for number, product in enumerate((member.product for member in plan.scene.members), 1):
        fields[f"product {number}"] = product.name
        if product.warp is not None:
            fields[f"resampling of product {number}"] = _describe(product.warp)
        means = product.unwarped.means
        if means is not None:
            fields[f"means of product {number}"] = (
                f"{means.factor} x {means.factor} pixels, the first less {means.offset}"
            )
        classes = product.classification
        if classes is not None and job.clouds != "keep":
            fields[f"SCL of product {number}"] = (
                f"{file_name(classes.path)}, {classes.number}, {classes.stamp}"
            )
        for band in product.bands:
            name = f"{band.name} of product {number}"
            fields[name] = f"{file_name(band.path)}, {band.number}, {band.stamp}"
            stored = band.stored
            fields[f"no data of {name}"] = f"{stored.nodata}, {stored.masks}"
            fields[f"offset of {name}"] = (
                f"{band.calibration.offset}, quantification {band.calibration.quantification},"
                f" {stored.dtype}, {stored.gain} DN per unit, {stored.shift} when read"
            )
    return {name: redact(str(value)) for name, value in fields.items()}


def digest(plan: Plan) -> str:
    """Return the SHA-256 of :func:`identity`."""
    return hashlib.sha256(json.dumps(identity(plan), sort_keys=True).encode()).hexdigest()


def _describe(warp: Warp) -> str:
    """Format all that decides how a product is resampled."""
    operation = None if warp.operation is None else warp.operation.definition
    source = warp.source.grid
    place = f"from {source.crs}, {source.transform}"
    return f"{warp.resampling}, {warp.scale}, {operation}, {place}"
