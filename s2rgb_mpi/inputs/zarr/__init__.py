"""Zarr stores: EOPF products, which follow SAFE, and GeoZarr made of them.

`products` finds the arrays of red, green and blue in a `store` of Zarr v2 or v3, here, in a zip or
on a server; `placing` where they lie; `codecs` what their chunks are encoded with. An array is a
value (`arrays`) that is part of a band; `chunks` reads it, window by window.
"""
