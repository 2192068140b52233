"""Items of STAC catalogues: a file, a URL, or a saved search.

`documents` reads them, `items` opens the items, `assets` finds the bands among their assets and
`classes` the scene classification, `fields` reads scale, offset and times, `georeference` the grid.
"""
