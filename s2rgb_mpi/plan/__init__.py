"""Who does what, and what it costs: frozen values, and no pixel is read.

A `job` is what the user asks for; `prepare` finds its products and makes the `plan`: windows of a
`window_size`. `partition` cuts them into shares of equal cost, `deal` gives these their order.
`reading` lists what is read for a share. `levels` bounds blocks and the file, `memory` the bytes a
rank needs; `identity` is all that decides the image. `describe` is --dry-run, `advice` --advise.
"""
