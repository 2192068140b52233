"""Which worker makes which windows, and what that costs: frozen values, and no pixel is read.

A `job` holds the user's options, its paths `path_fields`; `prepare` finds its products, of which
`choosing` leaves out cloudy ones and puts the others in order, and makes the `plan`: windows of a
`window_size`. `work` predicts their cost, `partition` cuts them into
shares of equal cost, and `deal` puts each share in order; `reading` lists the source chunks that a
share reads. `levels` bounds the size of blocks and of the file, `memory` the bytes that a rank
needs; `identity` is all that decides the bytes of the image. `describe` is --dry-run, with a
`describe_product` for each product; `advice` is --advise.
"""
