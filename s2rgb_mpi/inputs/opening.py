"""Opens rasters with GDAL; files beside a raster are read only where they may apply."""

from __future__ import annotations

import re

from osgeo import gdal

from s2rgb_mpi.errors import InputError
from s2rgb_mpi.gdalenv import settings
from s2rgb_mpi.inputs.files.downloads import first_bytes, refuse_answer
from s2rgb_mpi.inputs.files.remote import is_far, problem_of, refused
from s2rgb_mpi.inputs.files.vsi import network_part, status_of
from s2rgb_mpi.redact import file_name

_LOOK_BESIDE = "GDAL_DISABLE_READDIR_ON_OPEN"
"""GDAL's option for files beside a raster. TRUE: each possible file is looked for; EMPTY_DIR, the
program's setting: none is, which saves many requests to servers."""

_ALONE = {
    # Desktop programs write .aux.xml beside the files that they show. GDAL before 3.10 reads it in
    # spite of the second setting and of a given list of neighbouring files.
    "GDAL_PAM_ENABLED": "NO",
    _LOOK_BESIDE: "EMPTY_DIR",
}
_ALONE_OPTIONS = ["GEOREF_SOURCES=INTERNAL"]
"""Settings and open options that keep GDAL from reading files beside the one that it opens."""


def open_raster(path: str, *, internal: bool = False, with_mask_file: bool = False) -> gdal.Dataset:
    """Open a raster for reading.

    Parameters
    ----------
    path : str
        A name that GDAL opens.
    internal : bool
        Whether files beside the raster are ignored: no ``.aux.xml``, no world file. Overviews
        (``.ovr``) and masks (``.msk``) remain accessible, but are not used.
    with_mask_file : bool
        Whether to look also for a mask in a file beside it.

    Raises
    ------
    InputError
        With GDAL's message.
    """
    if is_far(path):
        status_of(network_part(path))  # so that GDAL uses requests that this server allows
    how = _ALONE if internal else {_LOOK_BESIDE: "TRUE"} if with_mask_file else {}
    try:
        with settings(how):
            return gdal.OpenEx(
                path, gdal.OF_RASTER, open_options=_ALONE_OPTIONS if internal else []
            )
    except RuntimeError as error:
        refuse_answer(path, first_bytes(path))
        problem = "" if "HTTP" in str(error) else problem_of(network_part(path))
        if problem:
            raise InputError(f"{path}: {problem}") from error
        raise InputError(f"{path}: {cause(error, path)}") from error


def mask_file(path: str) -> str:
    """Return the name of the mask file beside a raster, as GDAL names it; empty without one.

    Servers are not asked, which would take a request for every band.
    """
    name = f"{path}.msk"
    return name if not is_far(path) and gdal.VSIStatL(name) is not None else ""


def cause(error: Exception, path: str) -> str:
    """Format GDAL's message on one line, without the path at its beginning; with the remedy."""
    lines = dict.fromkeys(str(error).splitlines())  # recent GDAL repeats possible causes
    words = " ".join(" ".join(lines).split())
    words = re.sub(rf"^(?:{re.escape(path)}|[`']{re.escape(path)}')[:, ]*", "", words)
    last = path.rpartition("/")[2]
    # Recent GDAL names the end of a URL, with its query, which redact does not recognise.
    if last != file_name(path):
        words = re.sub(rf"(?<!\S){re.escape(last)}(?=[\s,:]|$)", lambda _: file_name(path), words)
    return refused(words)
