"""Access to files in folders, archives and on servers.

`locate` finds the product that a name denotes: in a folder, in one of the `archives` (recognised by
their first bytes: `downloads`) or on a `server`. `remote` and `vsi` access remote files through
GDAL, `read_ahead` reads these before they are needed, and `object_store` has the causes of failures
that GDAL does not state.
"""
