"""Errors of object stores (S3 and others), which GDAL's status of an object does not contain."""

from __future__ import annotations

import re
from http import HTTPStatus

from osgeo import gdal

from s2rgb_mpi import gdalenv

_PATH = re.compile(r"/vsi(s3|gs|az|adls|oss|swift)/")

_NO_CREDENTIALS = (
    "no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_NO_SIGN_REQUEST=YES"
    " for a public bucket"
)
_CHECK_THEM = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"

# From GDAL's cpl_vsi_error.h.
_ACCESS_DENIED, _OBJECT_NOT_FOUND, _INVALID_CREDENTIALS = 6, 8, 9

_STATUS = "HTTP response code"

_MOST_NBYTES = 4096


def problem_of_object(path: str) -> str:
    """Return why an object cannot be read.

    Parameters
    ----------
    path : str
        GDAL's name of it.

    Returns
    -------
    str
        One line without secrets, which begins with ``HTTP 403`` where access is denied, as it is
        to objects that do not exist where the user may not list them. Empty if the object is read,
        does not exist, or is in no object store.
    """
    if not _PATH.match(path):
        return ""
    gdal.VSICurlPartialClearCache(path)  # which has the failure, without its cause
    gdal.VSIErrorReset()
    content, words = b"", ""
    try:
        file = gdal.VSIFOpenExL(path, "rb", 1)
        if file is not None:
            content = bytes(gdal.VSIFReadL(1, 1, file) or b"")
            gdal.VSIFCloseL(file)
    except RuntimeError as error:
        words = str(error)
    number = gdal.VSIGetLastErrorNo()
    words = " ".join((words or str(gdal.VSIGetLastErrorMsg())).split())
    if content or number == _OBJECT_NOT_FOUND:
        return ""
    if number == _ACCESS_DENIED:
        return f"HTTP 403 {words}"
    if number == _INVALID_CREDENTIALS and path.startswith("/vsis3/"):
        return _NO_CREDENTIALS
    return _with_advice(words) if words and not words.startswith(_STATUS) else _answer(path)


def _answer(path: str) -> str:
    """Request an object without GDAL, which knows no more than the status of some answers."""
    # Imported here: these modules would take a tenth of the start-up time of every rank.
    import urllib.error  # noqa: PLC0415
    import urllib.request  # noqa: PLC0415

    url = gdal.GetSignedURL(path)
    if not url:
        return ""
    if gdal.GetConfigOption("AWS_NO_SIGN_REQUEST", "NO").upper() in {"YES", "TRUE", "ON", "1"}:
        url = url.partition("?")[0]
    try:
        with urllib.request.urlopen(url, timeout=gdalenv.READ_SECONDS):  # noqa: S310  GDAL's http(s)
            return ""
    except urllib.error.HTTPError as error:
        text = error.read(_MOST_NBYTES).decode(errors="replace")
        code, words = (_element(text, name) for name in ("Code", "Message"))
        if error.code == HTTPStatus.NOT_FOUND:
            return words if code == "NoSuchBucket" else ""
        return f"HTTP {error.code} {words or error.reason}"
    except OSError as error:
        return str(getattr(error, "reason", error))


def _element(text: str, name: str) -> str:
    """Return the text of an element of the answer; empty without it."""
    match = re.search(f"<{name}>([^<]*)</{name}>", text)
    return " ".join(match[1].split()) if match else ""


def _with_advice(words: str) -> str:
    """Add what to do about wrong credentials to the words of S3."""
    about = re.search(r"Access Key Id|request signature", words)
    return f"{words.split('. ', maxsplit=1)[0].rstrip('.')}; {_CHECK_THEM}" if about else words
