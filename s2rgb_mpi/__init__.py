"""s2rgb_mpi: Sentinel-2 bands to one true-colour RGB GeoTIFF, on many MPI ranks.

Read the rooms in the order a block travels::

    cli, options, job       what is asked; from a file too (jobfile)
    product, grid           what is on disk, and where its pixels lie
    scene                   products in their places, or on another grid
    plan, edges, shares     who does what
    memory                  what it costs in bytes
    claim, lock             the files of a run, beside its output: begun, gone on from, cleared away
    coordinator             rank 0: makes the plan, scatters the shares, hears the news
    source                  a product's pixels as DN, window by window
    render                  a window's colours (radiometry): the first valid product wins
    border                  cells that show in several shares go from worker to worker
    worker                  renders a window, reduces it (overviews), compresses it (encode,
                            profile), sends it (protocol)
    writer                  receives (protocol)
    output                  appends, journals (journal), and seals the file (geotiff, tags)
    helpers                 workers that are done copy tiles into place
    offsets, seams          whether the pixels agree with the calibration, and products with each
                            other: counted by workers, judged by the writer (findings)
    waiting, signals        how a rank waits without burning a core, and what can end the wait
    watch                   which ranks are silent
    survival                how a run goes on without a lost worker, where the MPI can
    news                    what the other ranks tell rank 0, while they work and at the end
    conclusion              rank 0 draws up the account of the run, and has it told
    report, errors          what the run says, and how it fails
    redact                  names without signatures and passwords, for all that is said or kept
    advice                  ranks, memory and the submit line, before a run
    testing                 a product to try all of this on; nothing imports it

``__main__`` gives every rank its role, guards it, and ends all of them together.
"""

__version__ = "0.1.0"
