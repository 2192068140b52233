"""The command line: its options, job files, and the program.

`options` defines every option (`input_options` those of input, colour and grid), `jobfile` reads
the same from a file, `parse` makes a job of them, and `program` runs it.
"""
