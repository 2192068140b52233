"""Files wherever they are: folders, archives and servers.

`locate` finds the product that a name stands for: in a folder, in one of the `archives` (known by
their first bytes: `downloads`) or on a `server`. `remote` and `vsi` are GDAL's way to files
elsewhere, `read_ahead` reads them before they are needed.
"""
