"""XML metadata, asked by local names: namespaces differ between baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from s2rgb_mpi.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping


class _NoDoctype(ET.TreeBuilder):
    """Refuses a document type: ESA's metadata have none, and entity bombs need one."""

    def doctype(self, name: str, *_: str | None) -> None:
        """Refuse it."""
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
        """Return the elements of these names."""
        return [node for name in names for node in self.nodes.get(name, [])]

    def texts(self, *names: str) -> list[str]:
        """Return the text of every element of these names."""
        return [(node.text or "").strip() for node in self.all(*names)]

    def first(self, *names: str) -> str:
        """Return the first text of these names that is not empty; empty if there is none."""
        return next((text for text in self.texts(*names) if text), "")


def parse(name: str, text: bytes) -> Tree:
    """Read an XML document.

    Parameters
    ----------
    name : str
        What the user calls it.
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
