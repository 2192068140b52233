"""Products to try the program on, for users, demo, tests and benchmarks.

`safe` writes a product as ESA lays it out and encodes it (`jp2`), and reads one back. `product` has
its names, `safe_metadata` and `scl_metadata` its XML, `texture` its reflectance, from real pixels
that `quilt` continues or from the noise of `lattice`, below the clouds of a `sky`, which `scl`
classifies. `eopf` writes the same scene as a store of `zarr`: `eopf_metadata` has its attributes,
`levels` those of GeoZarr above 60 m. `dates` writes several dates of it.
``python -m s2rgb_mpi.testing FOLDER`` is the command.
"""
