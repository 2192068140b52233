"""The results as Markdown: contestants, targets, replays; and the curve of the replays."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import imbalance

if TYPE_CHECKING:
    from collections.abc import Sequence

BASES = {
    "JP2 → tiled": "ours-4",
    "JP2 → COG": "ours-cog",
    "COG → tiled": "ours-from-cog",
    "COG on a server, 0.1 s → tiled": "ours-served",
    "COG on a server, 1 s, 20 MB/s → tiled": "ours-served-far",
    "JP2 → tiled, LZW": "ours-lzw",
}
"""Of this program, what the others of a kind are compared with."""

SHORTEST_TOLD = 0.005
"""Seconds of a stage."""

Results = dict[str, Any]


def markdown(results: Results, *, is_full: bool) -> str:
    """Write all that there is; targets mean something on full-size products only."""
    machine = results["machine"]
    size = results["size"]
    head = (
        f"{machine['date']}, {machine['cores']} cores ({machine['cpu']}), {machine['memory_gb']}"
        f" GB, Python {machine['python']}, {machine['mpi']};"
        f" product of {size} × {size} pixels; load before {machine['load_before'][0]:.1f}"
    )
    lines = [head, ""]
    if "contestants" in results:
        lines += contest(results["contestants"])
    pairs = [row for part in ("ways", "stores", "dates") for row in results.get(part, ())]
    if pairs:
        lines += ["", *ways(pairs)]
    if "second" in results:
        lines += ["", *second(results["second"])]
    if is_full:
        lines += ["", *targets(results)]
    if "limit" in results:
        lines += ["", *stages(results["limit"])]
    if "growth" in results:
        lines += ["", *growth(results["growth"])]
    if "replay" in results:
        lines += ["", *replays(results["replay"])]
    return "\n".join([*lines, ""])


def contest(entries: list[Results]) -> list[str]:
    """Write a row per contestant; the ratio is that of this program's time to the other's."""
    present = {one["key"]: one for one in entries if "absent" not in one}
    lines = [
        "| output | program | wall s | CPU s | peak MB | file MB | largest error | ours ÷ theirs |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in entries:
        if "absent" in one:
            lines.append(f"| {one['kind']} | {one['name']} | absent: {one['absent']} | | | | | |")
            continue
        base = present.get(BASES[one["kind"]])
        ratio = f"{compared(base, one):.2f}" if base else ""
        lines.append(
            f"| {one['kind']} | {one['name']} | {statistics.median(one['wall']):.1f}"
            f" | {statistics.median(one['cpu']):.1f} | {one['largest'] / 1e6:.0f}"
            f" | {one['nbytes'] / 1e6:.1f}"
            f" | {one['off']['largest']} | {ratio} |"
        )
    return lines


def ways(rows: list[Results]) -> list[str]:
    """Write a row per way, this program's figures first."""
    lines = [
        "| job, 4 ranks | instead of | wall s | CPU s | worker, theirs MB | ratio | target |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        wall, cpu = (" : ".join(f"{value:.1f}" for value in row[name]) for name in ("wall", "cpu"))
        reached = [(row["ratio"], row["most"], "")]
        if row.get("most_memory"):
            ratio = row["peak_worker"] / row["peak_theirs"]
            reached.append((ratio, row["most_memory"], "memory "))
        goals = ", ".join(
            f"{what}≤ {most:g}, {'met' if ratio <= most else '**missed**'}"
            for ratio, most, what in reached
        )
        lines.append(
            f"| {row['name']} | {row['theirs']} | {wall} | {cpu}"
            f" | {row['peak_worker'] / 1e6:.0f}, {row['peak_theirs'] / 1e6:.0f}"
            f" | {row['ratio']:.2f} | {goals} |"
        )
    return lines


def second(result: Results) -> list[str]:
    """Write what a second date costs, as a part of what it costs alone."""
    lines = [
        "| the second date is needed in | extra wall s, of | ratio of wall | of CPU | target |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in result["rows"]:
        met = "met" if row["wall"] <= row["most"] else "**missed**"
        lines.append(
            f"| {row['windows']} of {result['windows']} windows | {row['extra']:.1f},"
            f" {result['alone']:.1f} | {row['wall']:.2f} | {row['cpu']:.2f}"
            f" | ≤ {row['most']:g}, {met} |"
        )
    return lines


def compared(one: Results, other: Results) -> float:
    """Return the median of the ratios of wall times, round by round."""
    return statistics.median(a / b for a, b in zip(one["wall"], other["wall"], strict=False))


def targets(results: Results) -> list[str]:
    """Write what was to be reached, and what was."""
    by_key = {one["key"]: one for one in results.get("contestants", ()) if "absent" not in one}
    rows: list[tuple[str, float, str, float]] = []

    def ratio(text: str, one: str, other: str, most: float) -> None:
        if one in by_key and other in by_key:
            rows.append((text, compared(by_key[one], by_key[other]), "≤", most))

    ratio("tiled, 4 ranks ÷ GDAL's recipe, same level", "ours-4", "gdal-tiled", 0.66)
    ratio("the same, each with its own default level", "ours-4", "gdal-tiled-default", 0.60)
    ratio("COG ÷ GDAL's COG driver, same level", "ours-cog", "gdal-cog", 0.72)
    ratio("from COG, tiled ÷ GDAL's recipe, same level", "ours-from-cog", "gdal-from-cog", 0.55)
    ratio("COG on a server, 0.1 s ÷ the same here", "ours-served", "ours-from-cog", 1.25)
    ratio("÷ the queue-writer with its own settings", "ours-lzw", "queue-writer", 0.28)
    if "limit" in results:
        efficiency = statistics.median(one["efficiency"] for one in results["limit"])
        ends = statistics.median(last_worker(one["stages"]) for one in results["limit"])
        start = statistics.median(one["start"] for one in results["limit"])
        rows += [
            ("efficiency: (decode + encode CPU) ÷ (wall × cores)", efficiency, "≥", 0.93),
            ("start of the program until all ranks have met, 4 ranks, s", start, "≤", 0.6),
            ("last worker ÷ mean, 4 ranks", ends, "≤", 1.01),
        ]
    ratio("16 ranks ÷ 4 ranks", "ours-16", "ours-4", 1.08)
    if "ours-4" in by_key:
        one = by_key["ours-4"]
        others = one["others_cpu"] - append_share(results.get("limit", ()))
        rows += [
            ("CPU of coordinator and writer but for appending, of one core", others, "≤", 0.04),
            ("memory of a worker, MB (PSS)", one["peak_worker"] / 1e6, "≤", 150),
            ("memory of the writer, MB (PSS)", one["peak_writer"] / 1e6, "≤", 250),
        ]
    if "imbalance" in results:
        even = results["imbalance"]["imbalance"]
        rows.append(("last worker ÷ mean, half without data, 6 ranks", even, "≤", 1.02))
    for replay in results.get("replay", ()):
        if replay["workers"] == 62:
            append = replay["append_mb_per_second"] / replay["plain_mb_per_second"]
            rows.append(("replay, 62 workers: efficiency", replay["efficiency"], "≥", 0.75))
            rows.append(("replay, 62 workers: append ÷ plain write", append, "≥", 0.8))
    if "startup" in results:
        rows.append(
            ("start of 16 ranks ÷ 16 bare imports, CPU", results["startup"]["ratio"], "≤", 1.1)
        )
    lines = ["| figure | reached | target | |", "| --- | --- | --- | --- |"]
    for text, value, sign, target in rows:
        met = value <= target if sign == "≤" else value >= target
        shown = f"{value:.0f}" if target >= 100 else f"{value:.3f}"
        lines.append(f"| {text} | {shown} | {sign} {target:g} | {'met' if met else '**missed**'} |")
    return lines


def last_worker(stages: dict[str, dict[str, float]]) -> float:
    """Return when the last worker was done, by when they were in the mean."""
    ends = imbalance.ends(seconds for rank, seconds in stages.items() if rank.endswith("worker"))
    return max(ends) / statistics.mean(ends)


def append_share(rounds: Sequence[Results]) -> float:
    """Return the writer's time for appending as a part of the wall; 0 if nobody looked."""
    shares = [
        sum(seconds["append"] for seconds in one["stages"].values()) / one["wall"] for one in rounds
    ]
    return statistics.median(shares) if shares else 0.0


def stages(rounds: list[Results]) -> list[str]:
    """Write what every rank spent its time on, in the round of median efficiency."""
    one = sorted(rounds, key=lambda row: row["efficiency"])[len(rounds) // 2]
    names = [
        name
        for name in next(iter(one["stages"].values()))
        if any(seconds[name] >= SHORTEST_TOLD for seconds in one["stages"].values())
    ]
    head = (
        f"Seconds of each rank, of {one['wall']:.1f} s with start and end; decoding alone takes"
        f" {one['decode']:.1f} s of CPU, encoding alone {one['encode']:.1f} s:"
    )
    lines = [
        head,
        "",
        f"| rank | {' | '.join(names)} |",
        "| --- " * (1 + len(names)) + "|",
    ]
    return lines + [
        f"| {rank} | {' | '.join(f'{seconds[name]:.2f}' for name in names)} |"
        for rank, seconds in one["stages"].items()
    ]


def growth(rows: list[Results]) -> list[str]:
    """Write time and memory by the number of granules, on their own grid and on another."""
    lines = [
        "| grid | granules | Mpx | ns per pixel | worker MB | writer MB |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    return lines + [
        f"| {row['grid']} | {row['granules']} | {row['pixels'] / 1e6:.0f}"
        f" | {row['ns_per_pixel']:.0f}"
        f" | {row['peak_worker'] / 1e6:.0f} | {row['peak_writer'] / 1e6:.0f} |"
        for row in rows
    ]


def replays(rows: list[Results]) -> list[str]:
    """Write what the replays showed, and where one writer is full."""
    names = (
        "workers|windows|wall s|efficiency|before finalising|writer busy|finalising s|append MB/s"
    )
    names += "|plain write MB/s"
    lines = [f"| {names.replace('|', ' | ')} |", "| --- " * 9 + "|"]
    lines += [
        f"| {row['workers']} | {row['windows']} | {row['wall_seconds']:.1f}"
        f" | {row['efficiency']:.3f} | {row['working_efficiency']:.3f} | {row['busy']:.1%}"
        f" | {row['finalise_seconds']:.1f} | {row['append_mb_per_second']:.0f}"
        f" | {row['plain_mb_per_second']:.0f} |"
        for row in rows
    ]
    full = rows[0]["window_seconds"] / handling_seconds(rows)
    return [*lines, "", f"One writer is full at about {full:.0f} workers."]


def handling_seconds(rows: list[Results]) -> float:
    """Return what a block costs the writer where other ranks leave it a core most of the time."""
    return min(row["handling_seconds"] for row in rows)


def into_page(text: str, page: Path) -> None:
    """Put the tables between their two marks."""
    before, begin, rest = page.read_text().partition("<!-- ci/bench -->\n")
    _, end, after = rest.partition("<!-- end -->\n")
    if not end:
        raise SystemExit(f"bench: {page} has no marks for the tables")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def plot(rows: list[Results], path: Path) -> None:
    """Draw the replays, and the curve that the cost of a block and of finalising it projects."""
    from matplotlib import pyplot as plt  # noqa: PLC0415  it takes half a second

    window = rows[0]["window_seconds"]
    handling = handling_seconds(rows)
    finalising = min(row["finalise_seconds"] / row["windows"] for row in rows)
    workers = [2**exponent for exponent in range(1, 11)]
    # A window costs a worker or the writer, whoever takes longer; then it is finalised.
    projected = [
        window / (count * (max(window / count, handling) + finalising)) for count in workers
    ]
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    axes.plot(workers, projected, color="0.6", label="projected")
    axes.plot(
        [row["workers"] for row in rows],
        [row["efficiency"] for row in rows],
        "o",
        label="replayed on this machine",
    )
    axes.axvline(window / handling, linestyle=":", color="0.3")
    axes.annotate("one writer is full", (window / handling, 0.98), rotation=90, ha="left", va="top")
    axes.set(xscale="log", xlabel="workers", ylabel="efficiency", ylim=(0, 1.05))
    axes.set_xticks(workers, [str(count) for count in workers])
    axes.legend(loc="lower left")
    figure.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(figure)
