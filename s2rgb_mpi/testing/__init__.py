"""Products to try the program on, for users, demo, tests and benchmarks.

`safe` writes a product as ESA lays it out and encodes it, and reads one back. `safe_metadata` makes
its names and XML, `texture` its reflectance, from real pixels that `quilt` continues or from the
noise of `lattice`. `eopf` writes the same scene as a store of `zarr`.
``python -m s2rgb_mpi.testing FOLDER`` is the command.
"""
