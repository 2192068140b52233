"""async-geotiff reads COGs from a server into arrays, all at once, and does nothing with them.

async_read.py URL ...
"""

from __future__ import annotations

import asyncio
import sys

from async_geotiff import GeoTIFF
from obstore.store import HTTPStore


async def read(url: str) -> int:
    """Read one file; return how many bytes its pixels have."""
    folder, _, name = url.rpartition("/")
    store = HTTPStore.from_url(folder, client_options={"allow_http": True})
    geotiff = await GeoTIFF.open(name, store=store)
    array = await geotiff.read()
    return int(array.data.nbytes)


async def main() -> None:
    print(sum(await asyncio.gather(*map(read, sys.argv[1:]))))


asyncio.run(main())
