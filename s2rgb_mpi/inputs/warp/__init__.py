"""Resamples products of any grid onto another one: exact positions, bounded memory.

`onto_grid` lays products out on the other grid: with one coordinate `operation` for the image,
the requested `bounds`, their area on the `globe`, and errors where the projection `breaks`.
For a `coarser` grid products become means of whole pixels first. `place` finds the extent and scale
of each product there, `warper` cuts windows into pieces and resamples them. `transform` converts
points between grids, and a `polynomial` does so within a piece. `web_tiles` are those of web maps.
"""
