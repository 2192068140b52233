"""The command line: every option (`options`), job files (`jobfile`), and the job they `parse` to."""
