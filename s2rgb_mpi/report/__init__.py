"""What the run says: times and events in; progress, summary, files and error lines out.

Rank 0 alone speaks. Every rank keeps a tally of what it does (`timing`); at the end rank 0 brings
all of them on one clock (`settle`), and with them, and plain values that say what was done
(`account`), all that is said is made::

    voice      lines on the terminal and in the log; progress is the bar, or lines as well
    verdict    the one sentence that names what limited the run
    summary    the lines at the end
    record     --report: JSON, as schema.json describes it
    trace      --trace: Chrome's trace format, for https://ui.perfetto.dev
    page       --html: one file with the pictures (charts) in it
    files      how all of these are written: beside, then renamed

`wanted` is what the command line asks of this room.
"""
