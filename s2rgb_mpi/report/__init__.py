"""All that a run reports: times and events in; progress, summary, files and errors out.

Rank 0 alone speaks. Every rank fills a stopwatch (`timing`); at the end `finish` brings all of them
on one clock, and with them and the plan makes the `run_record`, of which all is made::

    console      lines on the terminal and in the log; progress is the bar, or lines as well
    bottleneck   the one sentence that names what limited the run
    summary      the lines at the end
    json_report  --report: JSON, as schema.json describes it
    trace        --trace: Chrome's trace format, for https://ui.perfetto.dev
    html         --html: one file with the pictures (charts) and the facts of the image in it
    stac_item    --stac: the image's STAC item, with the footprint of its valid pixels
    files        how all of these are written: beside, then renamed

`outputs` lists the files that were requested.
"""
