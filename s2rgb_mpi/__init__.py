"""s2rgb_mpi: Sentinel-2 bands to one true-colour RGB GeoTIFF, on many MPI ranks.

``convert(Job(products="PRODUCT.SAFE", output="rgb.tif"))`` makes an image; docs/api.md has more,
and ``help(s2rgb_mpi.Job)`` every field. The command line is ``s2rgb-mpi --help``.

The wings, in the order a block travels::

    cli/      the command line becomes a job
    inputs/   products, from their metadata; later their pixels, as DN
    plan/     which worker makes which windows, and what that costs
    ranks/    coordinator, workers and writer, and the messages between them
    image/    DN to RGB, overviews, encoded tiles; checks of the pixels
    output/   the partial file, its journal, and the GeoTIFF
    report/   progress, summary, files and errors of the run
    testing/  synthetic products, to try the program on

and the ground floor: ``errors``, ``grid``, ``gdalenv`` (GDAL's settings), ``heap``, ``signals``,
``timing``, ``redact`` (names without secrets). Each wing's docstring lists its modules;
docs/architecture.md follows a block through them.
"""

from importlib import import_module

__version__ = "0.1.0"

__all__ = [
    "Exopp",
    "Job",
    "Profile",
    "Result",
    "Stretch",
    "Tci",
    "Wanted",
    "__version__",
    "convert",
    "errors",
]

_MODULES = {
    "Exopp": "image.radiometry",
    "Job": "plan.job",
    "Profile": "image.profile",
    "Result": "ranks.convert",
    "Stretch": "image.radiometry",
    "Tci": "image.radiometry",
    "Wanted": "report.outputs",
    "convert": "ranks.convert",
}
"""The public names and their modules, which are imported on first use: importing the package loads
neither GDAL nor MPI."""


def __getattr__(name: str) -> object:
    if name == "errors":
        return import_module("s2rgb_mpi.errors")
    if name in _MODULES:
        return getattr(import_module(f"s2rgb_mpi.{_MODULES[name]}"), name)
    raise AttributeError(f"module 's2rgb_mpi' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
