"""Arrays in, arrays and bytes out: no files, no MPI, no clock.

`block_means` reduces DN, `radiometry` turns them into RGB. Where several products have a pixel, a
`composite` is made (a median by `sorting`); `clouds` says which classes are cloudy, and widens
their areas. `statistics` counts values, `overviews` halves the image, `encode` makes TIFF tiles of
it, as `profile` describes them. The tiles and counts of a window are a `block`, whose bytes are the
same on the wire and on the disk. `checks/` compares pixels with the statements of products, and
products with each other.
"""
