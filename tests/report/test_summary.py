"""The lines at the end."""

from dataclasses import replace

from accounts import make_account, make_tallies, make_tally
from s2rgb_mpi.report.summary import summary


def test_the_summary_says_what_was_made_by_whom_and_what_limited_it():
    verdict = (
        "decode-bound: workers spent 85% of their time decoding;"
        " 2 more workers would save about 5 s"
    )
    assert summary(make_account()) == [
        "wrote rgb.tif: 3.6 MB, cog, zstd, 50.0% of the raw pixels",
        "2.4 Mpx, 75 % valid, in 6 windows, 2 of them without data",
        "11.0 s, start-up 1.0 s of it; 0.22 Mpx/s on 4 ranks of node1",
        "1 coordinator: idle 100%",
        "2 workers: open 1%, read 85%, render 4%, encode 6%, idle 4%",
        "1 writer: receive 5%, append 3%, overviews 1%, finalise 1%, idle 90%",
        "slowest worker: rank 2, 9.7 s for 3 windows; the workers' mean is 9.6 s",
        "memory peaks: coordinator 100 MB, worker 300 MB, writer 400 MB",
        verdict,
    ]


def test_the_summary_says_where_and_as_which_job():
    tallies = make_tallies()
    tallies[2].host = "node2"
    lines = summary(make_account(tallies=tallies, slurm_job_id="4711"))
    assert lines[2].endswith("0.22 Mpx/s on 4 ranks of 2 machines, job 4711")


def test_one_rank_alone_is_summed_up_in_one_line():
    alone = make_tally(0, "coordinator, worker and writer", read=9.0, append=1.0)
    lines = summary(make_account(tallies=[alone], empty=[]))
    assert "1 coordinator, worker and writer: read 90%, append 10%" in lines
    assert "2.4 Mpx, 75 % valid, in 6 windows, all with data" in lines
    assert "memory peak: 100 MB" in lines
    assert len(lines) == 6


def test_the_only_worker_is_not_the_slowest_of_several():
    tallies = make_tallies()
    lines = summary(make_account(tallies=[tallies[0], tallies[1], tallies[3]]))
    assert [line for line in lines if "slowest" in line] == []
    assert "memory peaks: coordinator 100 MB, worker 200 MB, writer 400 MB" in lines


def test_where_all_windows_were_there_no_worker_is_the_slowest():
    tallies = [replace(tally, windows=0) for tally in make_tallies()]
    assert not any("slowest" in line for line in summary(make_account(tallies=tallies)))


def test_where_no_window_has_data_none_is_counted():
    account = make_account(empty=tuple(range(6)))
    assert "in 6 windows, none with data" in "\n".join(summary(account))


def test_a_small_image_has_pixels_too():
    grid = {**make_account().grid, "width": 188, "height": 174}
    assert "0.033 Mpx, " in "\n".join(summary(make_account(grid=grid)))


def test_a_small_file_has_a_size_that_can_be_read():
    output = make_account().output
    for nbytes, size in ((1_480, "1.5 kB"), (999_900, "999.9 kB"), (1_000_000, "1.0 MB")):
        first, *_ = summary(make_account(output={**output, "nbytes": nbytes}))
        assert first.startswith(f"wrote rgb.tif: {size}, cog")
