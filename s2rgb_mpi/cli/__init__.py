"""The command line: its options, job files, and the program.

`option` says what an option is, `input_options` and `output_options` define every one, and
`options` makes the parser of them; `jobfile` reads the same from a file, `parse` makes an `order`,
the job and how it is run. `program` runs it; `begin` is what rank 0 does first.
"""
