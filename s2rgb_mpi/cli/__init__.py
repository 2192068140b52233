"""The command line: `options`, job files (`jobfile`), and the job they make (`parse`)."""
