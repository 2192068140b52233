"""Rasters, opened by GDAL: what lies beside a file is read only where it may count."""

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
"""GDAL's option for files beside a raster: TRUE, each is asked for; EMPTY_DIR, as the program has
it, none is, which spares servers many requests."""

_ALONE = {
    # Desktop programs write .aux.xml beside what they show. GDAL before 3.10 reads it whatever
    # the second setting and the list of neighbours say that it is given.
    "GDAL_PAM_ENABLED": "NO",
    _LOOK_BESIDE: "EMPTY_DIR",
}
_ALONE_OPTIONS = ["GEOREF_SOURCES=INTERNAL"]
"""What keeps GDAL from files beside the one that it opens: settings, and options to open with."""


def open_raster(path: str, *, internal: bool = False, with_mask_file: bool = False) -> gdal.Dataset:
    """Open a raster for reading.

    Parameters
    ----------
    path : str
        A name that GDAL opens.
    internal : bool
        Whether nothing beside the file is read: no ``.aux.xml``, no world file. Overviews
        (``.ovr``) and masks (``.msk``) beside it GDAL still offers, to who looks for them.
    with_mask_file : bool
        Whether to look for a mask in a file beside it, too.

    Raises
    ------
    InputError
        With GDAL's own words.
    """
    if is_far(path):
        status_of(network_part(path))  # so that GDAL may ask as this server allows
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
    """Return the name of the mask beside a raster, as GDAL has it; empty if there is none.

    Servers are not asked: each would be for every band.
    """
    name = f"{path}.msk"
    return name if not is_far(path) and gdal.VSIStatL(name) is not None else ""


def cause(error: Exception, path: str) -> str:
    """Return GDAL's words on one line, without the path that they begin with; and what to do."""
    lines = dict.fromkeys(str(error).splitlines())  # new GDAL repeats what may be the cause
    words = " ".join(" ".join(lines).split())
    words = re.sub(rf"^(?:{re.escape(path)}|[`']{re.escape(path)}')[:, ]*", "", words)
    last = path.rpartition("/")[2]
    if last != file_name(path):  # new GDAL names a URL so, query and all: no URL to be redacted
        words = re.sub(rf"(?<!\S){re.escape(last)}(?=[\s,:]|$)", lambda _: file_name(path), words)
    return refused(words)
