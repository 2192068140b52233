"""Items of STAC catalogues: a file, a URL, or a saved search.

`items` opens them, `assets` finds the bands among their assets, `fields` reads scale, offset and
times, `georeference` the grid.
"""
