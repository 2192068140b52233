"""The command line: argv to a `Job`. No MPI here, so usage is tested in-process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from s2rgb_mpi.cli import jobfile
from s2rgb_mpi.cli.options import make_job_parser, make_parser
from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.image.profile import Profile, default_mask
from s2rgb_mpi.image.radiometry import PRESETS, Curve, Stretch
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.report.outputs import Wanted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


@dataclass(frozen=True)
class Order:
    """What the command line asks for: a job, and how to go about it."""

    job: Job
    dry_run: bool
    quiet: bool
    advise: bool = False
    json: bool = False
    wanted: Wanted = field(default_factory=Wanted)


def parse(argv: Sequence[str]) -> Order:
    """Read the command line.

    Parameters
    ----------
    argv : sequence of str
        Without the program's name.

    Returns
    -------
    Order

    Raises
    ------
    UsageError
        The command line is not what `--help` describes.
    SystemExit
        After `--help` or `--version`.
    """
    options = _options(argv)
    job = Job(
        products=tuple(options.products),
        rgb=tuple(map(tuple, options.rgb or ())),
        output=options.output,
        bidx=options.bidx or (),
        source_resolution=options.source_resolution,
        allow_l1c=options.allow_l1c,
        offset=options.offset,
        quantification=options.quantification,
        nodata=options.nodata or (),
        granule=options.granule,
        stretch=_curve(options),
        profile=Profile(
            compress=options.compress,
            level=options.level,
            quality=options.quality,
            tile=options.tile,
            mask=options.mask or default_mask(options.compress, options.quality),
            layout=options.layout,
            overviews=options.overviews,
            sparse=options.sparse,
        ),
        bounds=options.bounds and tuple(options.bounds),
        bounds_crs=options.bounds_crs,
        crs=options.crs,
        resolution=options.resolution,
        resampling=options.resampling,
        window=options.window,
        overwrite=options.overwrite,
        resume=options.resume,
        on_error=options.on_error,
        timeout=options.timeout,
        survive=options.survive,
        strict=options.strict,
    )
    for name in ("advise", "json"):
        if getattr(options, name) and not options.dry_run:
            raise UsageError(f"--{name} goes with --dry-run")
    return Order(
        job,
        dry_run=options.dry_run,
        quiet=options.quiet,
        advise=options.advise,
        json=options.json,
        wanted=Wanted(
            report=options.report,
            html=options.html,
            trace=options.trace,
            quicklook=options.quicklook,
            stac=options.stac,
            log_file=options.log_file,
            progress=options.progress,
            verbose=options.verbose,
        ),
    )


def _options(argv: Sequence[str]) -> argparse.Namespace:
    """Read the options: first those of the job file, then those of the command line, which win."""
    parser = make_parser()
    file = make_job_parser().parse_known_args(argv)[0].job
    options = None
    products, rgb = [], None
    if file is not None:
        words = jobfile.words(file, parser)
        try:
            options = parser.parse_args(words)
        except UsageError as error:
            raise UsageError(f"{file}: {error}") from error
        products, rgb, options.rgb = options.products, options.rgb, None
    options = parser.parse_args(argv, options)
    if not options.products and not options.rgb:
        options.products, options.rgb = products, rgb
    if options.output is None:
        raise UsageError("the following arguments are required: -o/--output (see --help)")
    return options


def _curve(options: argparse.Namespace) -> Curve:
    """Return the preset, with those of its options that were given."""
    names = ("black", "white", "gamma")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.preset == Stretch.preset:
        return Stretch(**given)
    if given:
        raise UsageError(f"--preset {options.preset} is fixed: it takes no --{next(iter(given))}")
    return PRESETS[options.preset]()
