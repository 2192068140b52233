"""XML metadata, read by local names: namespaces differ between baselines."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from s2rgb_mpi.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping


class _NoDoctype(ET.TreeBuilder):
    """Rejects a document type: ESA's metadata have none, and entity bombs need one."""

    def doctype(self, name: str, *_: str | None) -> None:
        """Raise an error for a document type declaration."""
        raise ET.ParseError(f"document type {name!r} is not allowed")


@dataclass(frozen=True)
class Tree:
    """An XML document whose elements are grouped by local name.

    Parameters
    ----------
    nodes : mapping of str to list of Element
        In the order of the document.
    """

    nodes: Mapping[str, list[ET.Element]]

    def all(self, *names: str) -> list[ET.Element]:
        """Return the elements with these names."""
        return [node for name in names for node in self.nodes.get(name, [])]

    def texts(self, *names: str) -> list[str]:
        """Return the text of every element with these names."""
        return [(node.text or "").strip() for node in self.all(*names)]

    def first(self, *names: str) -> str:
        """Return the first text that is not empty; empty if there is none."""
        return next((text for text in self.texts(*names) if text), "")


def parse(name: str, text: bytes) -> Tree:
    """Read an XML document.

    Parameters
    ----------
    name : str
        The name of the document for messages.
    text : bytes
        The document.

    Raises
    ------
    InputError
        It is truncated, not XML, or has a document type.
    """
    try:
        parser = ET.XMLParser(target=_NoDoctype())  # noqa: S314  no document type, no bombs
        root = ET.fromstring(text, parser)  # noqa: S314
    except (ET.ParseError, ValueError, LookupError) as error:  # the last: an unknown encoding
        raise InputError(f"{name}: {error}") from error
    nodes: dict[str, list[ET.Element]] = {}
    for element in root.iter():
        nodes.setdefault(element.tag.rpartition("}")[2], []).append(element)
    return Tree(nodes)


def number(text: str | None) -> float:
    """Read a number as XML writes it: ``-1000``, ``-1000.0`` and ``+1E3`` are numbers.

    Raises
    ------
    ValueError
        It is not a number, or not finite.
    """
    text = (text or "").strip()
    # Python also accepts 1_000, "nan" and digits of other scripts.
    if not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?", text, re.ASCII):
        raise ValueError(f"{text!r} is not a number")
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large")
    return value


def whole_number(text: str | None) -> int:
    """Read a whole number in any form that :func:`number` accepts.

    Raises
    ------
    ValueError
        It is not a number, or not a whole one.
    """
    value = number(text)
    if value != int(value):
        raise ValueError(f"{value:g} is not a whole number")
    return int(value)
