"""Who does what, and what it costs: frozen values, and no pixel is read.

A `job` is what the user asks for, its paths `path_fields`; `prepare` finds its products and makes
the `plan`: windows of a `window_size`. `work` predicts what these cost, `partition` cuts them into
shares of equal cost, and `deal` puts each in order; `reading` lists what is read for one. `levels`
bounds blocks and the file, `memory` the bytes a rank needs; `identity` is all that decides the
image. `describe` is --dry-run, `advice` --advise.
"""
