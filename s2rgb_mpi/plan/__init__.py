"""Who does what, and what it costs: frozen values, and no pixel is read.

A `job` is what the user asks for, `plan` cuts it into windows (`window_size`), `partition` deals
them to the workers, `memory` bounds the bytes a rank needs. `describe` is --dry-run, `advice`
--advise.
"""
