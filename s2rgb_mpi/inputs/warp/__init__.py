"""Products of any grid on another one: exact places, bounded memory.

`onto_grid` plans it: the one coordinate `operation` for the image, the `bounds` of a product on the
other grid, where the `globe` and `breaks` of the projection allow; what is `coarser` becomes means
of whole pixels first. `place` finds the source pixels of a window, `warper` resamples them,
`transform` moves points between grids, a `polynomial` does so within a piece.
"""
