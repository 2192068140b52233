"""The files that one writer makes.

`workspace` takes the place of the output, with its `paths`, under a `lock`; `assembler` appends
blocks to the partial file, enters them in the `journal` once they are on disk, and finalises the
GeoTIFF (`geotiff/`) with its `tags`. `totals` adds up what blocks count; a `source_map` says which
product each pixel is from.
"""
