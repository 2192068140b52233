"""The file: the partial file that blocks are appended to, and the GeoTIFF it is finalised into.

While the run lasts there is only a log of encoded tiles in the order they came, and an index in
memory that says where each one lies (`log`). `finalise` makes the directories (by GDAL: an image
without pixels, `skeleton`), then has the tiles copied behind them in one fixed order (`copying`).
So the bytes of the file do not depend on the order of arrival, and all directories precede all
pixels::

    cog      header | ghost area | directories | smallest overview ... full image
    tiled    header | directories | full image

In a COG every tile is framed as GDAL's own driver frames it: its size (u4) before it, its last
four bytes again after it. https://gdal.org/en/stable/drivers/raster/cog.html
"""
