"""SAFE products that tests have altered: other metadata, other wrappings."""

import re
import zipfile
from pathlib import Path


def edit(product: Path, *changes: tuple[str, str], file: str = "MTD_MSIL2A.xml") -> None:
    """Change the product's metadata: each change is a pattern that must occur, and its stead."""
    (metadata,) = product.glob(file)
    text = metadata.read_text()
    for pattern, replacement in changes:
        text, count = re.subn(pattern, replacement, text, flags=re.DOTALL)
        assert count, pattern
    metadata.write_text(text)


def pack(
    folder: Path,
    archive: Path,
    *,
    top: str | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """Put a product into a zip, below `top`; by default below its own name."""
    with zipfile.ZipFile(archive, "w", compression) as store:
        for path in sorted(folder.rglob("*")):
            store.write(path, Path(folder.name if top is None else top) / path.relative_to(folder))
    return archive
