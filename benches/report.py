"""Turns single runs into a table, a plot, and a verdict on each target."""

import datetime
import os
import pathlib
import statistics
import subprocess
from collections import defaultdict

MODES = ["bare", "recorderd", "auditd", "bpftrace"]
# Where the work is done, by section.
NAMES = {
    "loop": "recorded",
    "real": "recorded",
    "outside": "outside sessions, nobody logged in",
    "beside": "outside sessions, somebody logged in",
}
COLOURS = {"recorderd": "#2b6cb0", "auditd": "#c05621", "bpftrace": "#718096"}


def write(folder, rows):
    values = defaultdict(list)
    units = {}
    for section, work, mode, value, unit in rows:
        values[section, work, mode].append(value)
        units[section, work, mode] = unit
    lines = ["# Measurements", "", *machine(), ""]
    ratios = ratio_table(values)
    if ratios:
        lines += ["## Slow-down: time with a recorder / time without", "",
                  "Median of the runs; in brackets the spread of the ratios, each run against the "
                  "median without.", "", "![plot](plot.svg)", "",
                  "| work | recorderd | auditd | bpftrace |", "|---|---|---|---|"]
        lines += [row for _, row in ratios] + [""]
        (folder / "plot.svg").write_text(plot(values))
    guest = guest_table(values)
    if guest:
        lines += ["## Both plans: instructions with a recorder / without", "",
                  "Counted in a virtual machine with one CPU (`benches/guest`), so that what the daemon "
                  "does is in it, too. Outside, `tracepoint` has its hook attached.", "",
                  "| work | fexit | tracepoint |", "|---|---|---|", *guest, ""]
    profile = profile_table(values)
    if profile:
        lines += ["## Where the time goes: BPF programs in one turn of a recorded loop", "",
                  "As the kernel counts them (`kernel.bpf_stats_enabled`), which itself takes some 50 ns for "
                  "each run. `syscall_exit` is at the end of every call, and its time is also that of the "
                  "programs that it leads to.", "",
                  "| program, work | runs | ns |", "|---|---|---|", *profile, ""]
    verdicts = targets(values)
    if verdicts:
        lines += ["## Targets", "", "| what | measured | at most (goal) | |", "|---|---|---|---|"]
        lines += verdicts + [""]
    lines += ["## All medians", "", "| | work | | median | spread | runs |", "|---|---|---|---|---|---|"]
    for key in values:
        section, work, mode = key
        some = values[key]
        lines.append(
            f"| {section} | {work} | {mode} | {number(statistics.median(some))} {units[key]} | "
            f"{number(min(some))} to {number(max(some))} | {len(some)} |"
        )
    (folder / "README.md").write_text("\n".join(lines) + "\n")


def machine():
    model = memory = ""
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "CPU part")):
            model = line.split(":")[1].strip()
            break
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal"):
            memory = f"{int(line.split()[1]) / 2**20:.0f} GiB"
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    system = os.uname()
    load = pathlib.Path("/proc/loadavg").read_text().split()[0]
    return [
        f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, commit {commit}: "
        f"Linux {system.release} {system.machine}, {os.cpu_count()} × {model}, {memory}, "
        f"load {load} at the end. Made by `benches/run`; every single run is in "
        "[raw.csv](raw.csv). A command is a posix_spawn of /bin/true. Loops are held on "
        "one processor.",
    ]


def ratio(values, section, work, mode):
    bare = values.get((section, work, "bare"))
    some = values.get((section, work, mode))
    if not bare or not some or mode == "bare":
        return None
    base = statistics.median(bare)
    return statistics.median(some) / base, min(some) / base, max(some) / base


def works(values):
    return dict.fromkeys(
        (section, work) for section, work, _ in values if section in NAMES
    )


def ratio_table(values):
    table = []
    for section, work in works(values):
        name = f"{work}, {NAMES[section]}"
        cells = []
        for mode in MODES[1:]:
            found = ratio(values, section, work, mode)
            cells.append("–" if found is None else f"{found[0]:.2f} ({found[1]:.2f}–{found[2]:.2f})")
        table.append((work, f"| {name} | {' | '.join(cells)} |"))
    return table


def guest_table(values):
    table = []
    for section, work, mode in values:
        if not section.startswith("guest, ") or mode != "tracepoint":
            continue
        base = values_of(values, "guest, outside", work, "bare")
        cells = [
            f"{values_of(values, section, work, plan) / base:.2f}" for plan in ("fexit", "tracepoint")
        ]
        table.append(f"| {work}, {section.removeprefix('guest, ')} | {' | '.join(cells)} |")
    return table


def profile_table(values):
    return [
        f"| {work} | {number(values_of(values, section, work, 'runs'))} | "
        f"{number(values_of(values, section, work, 'time'))} |"
        for section, work, mode in values if section == "profile" and mode == "time"
    ]


def targets(values):
    def median(*key):
        some = values.get(key)
        return statistics.median(some) if some else None

    def of_ratio(section, work):
        found = ratio(values, section, work, "recorderd")
        return found and found[0]

    def worst(section):
        found = [(of_ratio(section, work), work) for of, work in works(values) if of == section]
        return max((one for one in found if one[0]), default=None)

    json = [
        values_of(values, "json", event, "serde_json") / values_of(values, "json", event, "own")
        for section, event, who in values if section == "json" and who == "own"
    ]
    command = median("cost", "argv of 1 bytes", "daemon")
    sizes = [median(*key) for key in values if key[0] == "size"]
    rows = [
        ("command loop, recorded / bare", of_ratio("loop", "commands"), 1.05, "1.02", ""),
        ("open+close loop, recorded / bare", of_ratio("loop", "opens"), 2.0, "1.4", ""),
        ("connect loop, recorded / bare", of_ratio("loop", "connects"), 1.15, "1.05", ""),
    ]
    for section in "outside", "beside":
        if found := worst(section):
            rows.append((f"{NAMES[section]}, worst: {found[1]}", found[0], 1.03, "1.00", ""))
    rows += [
        ("daemon, per command", command and command / 1000, 8, "4", " µs"),
        ("memory, idle", in_mb(median("idle", "memory", "recorderd")), 1.5, "", " MB"),
        ("memory, 10,000 sessions", in_mb(median("many", "10000 sessions", "memory")), 12, "", " MB"),
        ("binary, the larger", max(sizes) / 1e6 if sizes else None, 1.2, "1.0", " MB"),
        ("exec to ready", median("start", "exec to ready", "recorderd"), 0.4, "0.2", " s"),
        ("wake-ups per second, idle", median("idle", "wake-ups per second", "recorderd"), 1, "", ""),
        ("sealing, per line", us(median("seal", "a line", "recorderd")), 3, "0.6", " µs"),
        ("opens lost, two producers", median("burst", "2 producers", "lost"), 0, "", ""),
    ]
    lines = [
        f"| {name} | {value:.4g}{unit} | {limit}{unit}{f' ({goal})' if goal else ''} | "
        f"{'yes' if value <= limit else '**no**'} |"
        for name, value, limit, goal, unit in rows if value is not None
    ]
    if json:
        lines.append(
            f"| JSON, times as fast as serde_json | {min(json):.2f} | at least 2 (3) | "
            f"{'yes' if min(json) >= 2 else '**no**'} |"
        )
    if speed := median("seal", "verify", "recorderd"):
        lines.append(
            f"| verify | {speed:.0f} MB/s | at least 300 MB/s | {'yes' if speed >= 300 else '**no**'} |"
        )
    return lines


def values_of(values, *key):
    return statistics.median(values[key])


def us(nanoseconds):
    return nanoseconds and nanoseconds / 1000


def in_mb(kib):
    return kib and kib * 1024 / 1e6


def number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def plot(values):
    """Bars of the ratios, on a scale of powers of two."""
    from math import log2

    bars = []
    for section, work in works(values):
        for mode in MODES[1:]:
            found = ratio(values, section, work, mode)
            if found:
                place = {"outside": " (outside)", "beside": " (outside, beside a login)"}.get(section, "")
                bars.append((f"{work}{place}", mode, found[0]))
    height, left, unit = 16, 260, 90
    parts = []
    last = None
    y = 30
    for name, mode, value in bars:
        if name != last:
            y += 8
            parts.append(f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{name}</text>')
            last = name
        width = max(1, log2(max(value, 1)) * unit)
        parts.append(
            f'<rect x="{left}" y="{y}" width="{width:.0f}" height="{height - 3}" '
            f'fill="{COLOURS[mode]}"/><text x="{left + width + 6:.0f}" y="{y + 11}">'
            f"{value:.2f} {mode}</text>"
        )
        y += height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + 6 * unit + 160}" '
        f'height="{y + 20}" font-family="sans-serif" font-size="12">'
        f'<text x="{left}" y="20">time with a recorder / time without (1 = no bar, each '
        f'{unit} px doubles)</text>{"".join(parts)}</svg>\n'
    )
