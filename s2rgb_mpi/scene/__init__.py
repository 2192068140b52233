"""What the image shows: products on one grid, the first on top.

`layout` puts products of one UTM grid side by side, without resampling, and tells which pieces of
each show in a window; `warp` brings products of any grids onto another one.
"""
