"""Arrays in, arrays and bytes out: no files, no MPI, no clock.

`block_means` reduces DN, `radiometry` turns them into RGB, `statistics` counts its values,
`overviews` halves it, `encode` makes TIFF tiles of it, as `profile` describes them. The tiles and
counts of a window are a `block`, whose bytes are the same on the wire and on the disk. `clouds`
says which classes are cloudy, and widens their areas. `checks/` compares pixels with the statements
of products, and products with each other.
"""
