"""STAC documents: the items in a file or in the answer of a server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from s2rgb_mpi.errors import InputError
from s2rgb_mpi.inputs.files.remote import fetch

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_ANSWER = 200
"""Characters of a server's explanation that an error repeats."""


def content_of(href: str) -> Any:
    """Read JSON."""
    text = fetch(href)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        if text.lstrip()[:1] == b"<":
            raise InputError(
                f"{href}: a web page or XML, not JSON; a login or another address may be needed"
            ) from error
        if not text:
            raise InputError(f"{href}: an empty file; download it again") from error
        raise InputError(f"{href}: not JSON: {error}") from error


def features_of(href: str, content: Any) -> list[Any]:
    """Return the items in a document: itself, or those of a search."""
    if isinstance(content, list) and content:  # a search saved as a bare list
        return content
    if not isinstance(content, dict):
        raise InputError(f"{href}: a STAC item (Feature) is needed, not {type(content).__name__}")
    kind = content.get("type")
    if kind == "Feature":
        return [content]
    if kind is None:
        raise InputError(
            f"{href}: a STAC item (Feature) is needed, not JSON without a type{_answer(content)}"
        )
    if kind != "FeatureCollection":
        hint = "; open one of its items, or a saved search" if "links" in content else ""
        raise InputError(f"{href}: a STAC item (Feature) is needed, not {kind}{hint}")
    features = content.get("features")
    if not isinstance(features, list) or not features:
        raise InputError(f"{href}: a search that found nothing: this FeatureCollection is empty")
    return features


def _answer(content: Mapping[str, Any]) -> str:
    """Return the explanation of a server that did not send an item."""
    inner = content.get("error")
    places = (content, inner) if isinstance(inner, dict) else (content,)
    names = ("description", "detail", "message", "error")
    texts = (place.get(name) for place in places for name in names)
    text = next((text for text in texts if isinstance(text, str)), "")
    return f"; it says: {' '.join(text.split())[:LONGEST_ANSWER]}" if text else ""


def page_of(href: str, content: Any, count: int) -> list[str]:
    """Return a warning if a document has only some of the items that a search found."""
    if not isinstance(content, dict) or content.get("type") != "FeatureCollection":
        return []
    context, links = content.get("context"), content.get("links")
    matched = content.get("numberMatched")
    if matched is None and isinstance(context, dict):
        matched = context.get("matched")
    if isinstance(matched, int):
        of = f" of the {matched}" if matched > count else ""
    else:
        rels = [each.get("rel") for each in links or () if isinstance(each, dict)]
        of = " and not all" if "next" in rels else ""
    return [f"{href}: one page of a search: {count}{of} items that it found"] if of else []
