# SPDX-License-Identifier: Apache-2.0
"""All figures of docs/performance.md as one HTML page with tables and plots, by one command.

usage: report.py MODEL.onnx ... -o report.html [--peers onnxruntime,openvino,ncnn,MNN]
                 [--threads 1,2] [--rows FILE.json ...] [--build build] [--quick]

Times beside peers come from bench/compare.py, which runs here, or from files that it wrote
(--rows). Builds, start-up, memory and streams are measured with build/bin/whet and
build/bin/footprint (configure with -DWHET_BUILD_BENCH=ON). --quick measures each figure once and
briefly. Beside the page lies a .json file of the same name with every figure. Needs what ./test.sh
leaves in .venv."""

import argparse
import datetime
import html
import importlib.metadata
import json
import math
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
COLOURS = {"whet": "#2a6fb0", "onnxruntime": "#9aa3ad", "openvino": "#d9a441", "ncnn": "#6aa84f",
           "MNN": "#a678b4"}
FOOTPRINT = re.compile(r"load ([\d.]+) ms, first run ([\d.]+) ms, later runs ([\d.]+) ms, "
                       r"peak ([\d.]+) MB .* arena ([\d.]+) MB")


# ---- measuring ----

def call(*command):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True,
                          text=True).stdout


def measure_rows(options, folder):
    """Rows of bench/compare.py."""
    if options.rows:
        return [row for f in options.rows for row in json.loads(pathlib.Path(f).read_text())]
    file = pathlib.Path(folder) / "rows.json"
    brief = ["--runs", "1", "--rounds", "2", "--seconds", "0.1"] if options.quick else []
    subprocess.run([sys.executable, HERE / "compare.py", *options.models, "--peers", options.peers,
                    "--threads", options.threads, "--json", file, *brief], check=True)
    return json.loads(file.read_text()) if file.exists() else []


def timed_build(options, model, engine, *settings):
    begin = time.perf_counter()
    call(options.whet, "build", model, "-o", engine, "-q", *settings)
    return time.perf_counter() - begin


def measure_builds(options, model, folder):
    engine, cache = f"{folder}/a.whet", f"{folder}/cache"
    pathlib.Path(cache).unlink(missing_ok=True)
    return {"default_s": timed_build(options, model, engine, f"--timing-cache={cache}"),
            "again_s": timed_build(options, model, engine, f"--timing-cache={cache}"),
            "level0_s": timed_build(options, model, f"{folder}/b.whet", "--level=0")}


def measure_start(options, model, engine, threads):
    """Medians of fresh processes that load and run."""
    runs = []
    for _ in range(1 if options.quick else 5):
        runs.append([float(v) for v in FOOTPRINT.match(call(options.footprint, engine,
                                                            threads)).groups()])
    load, first, later, peak, arena = (statistics.median(v) for v in zip(*runs))
    packed = json.loads(call(options.whet, "inspect", engine, "--json"))["packed_bytes"] / 1e6
    weights = pathlib.Path(model).stat().st_size / 1e6
    return {"load_ms": load, "first_ms": first, "steady_ms": later, "peak_mb": peak,
            "arena_mb": arena, "packed_mb": packed, "weights_mb": weights}


def measure_streams(options, engine, threads):
    seconds = "0.2" if options.quick else "2"
    result = {}
    for n in sorted({1, threads}):
        out = call(options.whet, "bench", engine, "--json", "-q", f"--threads={threads}",
                   f"--streams={n}", f"--seconds={seconds}")
        result[n] = json.loads(out)["runs_per_second"]
    return result


def measure_model(options, model, folder):
    threads = max(int(t) for t in options.threads.split(","))
    row = {"model": pathlib.Path(model).stem, "threads": threads,
           "build": measure_builds(options, model, folder),
           "start": measure_start(options, model, f"{folder}/a.whet", threads),
           "streams": measure_streams(options, f"{folder}/a.whet", threads)}
    timed_build(options, model, f"{folder}/a.whet", "--memory=min",
                f"--timing-cache={folder}/cache")
    row["min"] = measure_start(options, model, f"{folder}/a.whet", threads)
    return row


# ---- drawing ----

def cell_name(row):
    batch = f" batch {row['batch']}" if "batch" in row else ""
    return f"{row['model']}{batch}, {row['threads']} thread{'s' if row['threads'] > 1 else ''}"


def figure(width, height, label, parts):
    """A drawing that shrinks with a narrow window."""
    return (f'<svg viewBox="0 0 {width} {height}" style="width:100%;max-width:{width}px" '
            f'role="img" aria-label="{label}">{"".join(parts)}</svg>')


def text(x, y, what, anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(what)}</text>'


def left_of(rows):
    return 16 + 6.6 * max(len(cell_name(r)) for r in rows)  # room for the names


def bars(rows, runtimes):
    """Horizontal bars: each runtime's time relative to the slowest of its cell."""
    line, left, width = 14, left_of(rows), 400
    y, parts = 4, []
    for row in rows:
        slowest = max(row["ms"].values())
        names = [n for n in runtimes if n in row["ms"]]
        parts.append(text(left - 8, y + (line * len(names)) / 2 + 3, cell_name(row), "end"))
        for name in names:
            ms = row["ms"][name]
            w = width * ms / slowest
            parts.append(f'<rect x="{left:.1f}" y="{y}" width="{w:.1f}" height="{line - 3}" '
                         f'fill="{COLOURS.get(name, "#888")}"><title>{name} {ms:.2f} ms</title>'
                         '</rect>' + text(left + w + 5, y + line - 4, f"{ms:.2f} ms"))
            y += line
        y += 8
    return figure(round(left + width + 80), y + 4, "times by model", parts)


def ratio_plot(rows):
    """A point a cell on a logarithmic axis: whet's time over that of the fastest peer."""
    line, top, left, width = 18, 26, left_of(rows), 400
    bottom = top + line * len(rows)
    low = min(0.5, min(r["ratio"] for r in rows) / 1.1)
    high = max(1.25, max(r["ratio"] for r in rows) * 1.1)

    def x_of(v):
        return left + width * math.log(v / low) / math.log(high / low)

    parts = []
    for tick in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0):
        if low <= tick <= high:
            x = x_of(tick)
            parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top - 6}" y2="{bottom}" '
                         f'stroke="{"#333" if tick == 1 else "#ccc"}"/>' +
                         text(x, top - 12, f"{tick:g}", "middle"))
    for i, row in enumerate(sorted(rows, key=lambda r: r["ratio"])):
        x, y = x_of(row["ratio"]), top + line * (i + 0.5)
        parts.append(text(left - 8, y + 4, cell_name(row), "end"))
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" '
                     f'fill="{"#c0392b" if row["ratio"] > 1.05 else COLOURS["whet"]}"/>')
        parts.append(text(x + 9, y + 4, f"{row['ratio']:.3f}"))
    parts.append(text(left, bottom + 16, "left of 1: whet is faster; red: above 1.05"))
    return figure(round(left + width + 60), bottom + 24, "ratios", parts)


def table(head, rows):
    """Cells are (text, 0) or (number, decimals); a column of numbers has its head on the right."""
    def style(v):
        return "" if isinstance(v, str) and not v[:1].isdigit() else " class='n'"

    kinds = ["" if i == 0 else style(next((r[i][0] for r in rows if r[i][0] != "–"), ""))
             for i in range(len(head))]
    cells = "".join(f"<th{k}>{html.escape(h)}</th>" for h, k in zip(head, kinds))
    body = "".join("<tr>" + "".join(
        f"<td{k}>{html.escape(v) if isinstance(v, str) else f'{v:.{d}f}'}</td>"
        for (v, d), k in zip(row, kinds)) + "</tr>" for row in rows)
    return f"<div class='wide'><table><tr>{cells}</tr>{body}</table></div>"


# ---- the page ----

STYLE = """html { color-scheme: light }
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 62em;
margin: 0 auto; padding: 1em } ul { padding-left: 1.2em; overflow-wrap: anywhere }
.wide { overflow-x: auto; margin: 1em 0 } table { border-collapse: collapse }
th, td { padding: .2em .7em; text-align: left; border-bottom: 1px solid #ccc }
th { vertical-align: bottom } td { white-space: nowrap }
@media (max-width: 40em) { th, td { padding: .2em .35em; font-size: 13px } }
.n { text-align: right; font-variant-numeric: tabular-nums }
svg { display: block } svg text { font: 12px system-ui, sans-serif; fill: #1a1a1a;
paint-order: stroke; stroke: #fff; stroke-width: 3px }
code { background: #f0f0f0; padding: .1em .3em }
.key span { white-space: nowrap; margin-right: 1em } .key i { display: inline-block; width: 1em;
height: 1em; vertical-align: -2px; margin-right: .4em }"""


def times_part(rows):
    if not rows:
        return "<p>No times beside peers were measured.</p>"
    names = [n for n in COLOURS if any(n in r["ms"] for r in rows)]
    head = ["model", "threads"] + [f"{n}, ms" for n in names] + ["ratio", "difference"]
    body = []
    for r in rows:
        batch = f" batch {r['batch']}" if "batch" in r else ""
        worst = max(r.get("difference", {}).values(), default=0)
        body.append([(r["model"] + batch, 0), (str(r["threads"]), 0)] +
                    [(r["ms"][n], 2) if n in r["ms"] else ("–", 0) for n in names] +
                    [(r["ratio"], 3), (f"{worst:.1e}", 0)])
    key = " ".join(f'<span><i style="background:{COLOURS[n]}"></i>{n}</span>' for n in names)
    part = f"<p class='key'>{key}</p>{bars(rows, names)}"
    if len(names) > 1:
        mean = math.exp(statistics.fmean(math.log(r["ratio"]) for r in rows))
        part += (f"<p>Ratio of whet's time to that of the fastest peer: geometric mean {mean:.3f}, "
                 f"worst {max(r['ratio'] for r in rows):.3f}.</p>{ratio_plot(rows)}")
    return part + table(head, body)


def models_part(models):
    build = [[(m["model"], 0), (m["build"]["default_s"], 1), (m["build"]["again_s"], 1),
              (m["build"]["level0_s"], 2)] for m in models]
    start, memory, streams = [], [], []
    for m in models:
        s = m["start"]
        start.append([(m["model"], 0), (s["load_ms"], 1), (s["first_ms"], 1), (s["steady_ms"], 1),
                      (s["first_ms"] / s["steady_ms"], 2)])
        for name, f in (("auto", s), ("min", m["min"])):
            memory.append([(m["model"], 0), (name, 0), (f["weights_mb"], 1), (f["packed_mb"], 1),
                           (f["arena_mb"], 1), (f["peak_mb"], 1),
                           (f["packed_mb"] / f["weights_mb"], 2),
                           (f["peak_mb"] / (f["packed_mb"] + f["arena_mb"]), 2)])
        streams += [[(m["model"], 0), (str(n), 0), (v, 1)] for n, v in m["streams"].items()]
    return (
        "<h2>Builds</h2><p>Seconds of <code>whet build</code>: at the default level, again with "
        "the timing cache that this left, and at level 0.</p>" +
        table(["model", "default", "again", "level 0"], build) +
        "<h2>Start-up</h2><p>A fresh process loads the engine and runs it "
        "(<code>build/bin/footprint</code>); milliseconds.</p>" +
        table(["model", "load", "first run", "later runs", "first / later"], start) +
        "<h2>Memory</h2><p>Of the same process, in MB, with <code>--memory=auto</code> and "
        "<code>min</code>.</p>" +
        table(["model", "memory", "model file", "packed", "arena", "peak", "packed / model",
               "peak / (packed + arena)"], memory) +
        "<h2>Streams</h2><p>Runs a second (<code>whet bench --streams</code>).</p>" +
        table(["model", "streams", "runs/s"], streams))


def page(data):
    machine = data["machine"]
    facts = "".join(f"<li>{html.escape(k)}: {html.escape(str(v))}</li>" for k, v in machine.items())
    parts = [f"<h1>whet: performance</h1><ul>{facts}</ul>",
             "<h2>Times beside peers</h2><p>Medians of interleaved visits, one process each "
             "(<code>bench/compare.py</code>); difference: of the outputs, relative to the "
             "largest. Bars are relative to the slowest of their cell; –: left out, because it "
             "failed or was wrong.</p>", times_part(data["rows"])]
    if data["models"]:
        parts.append(models_part(data["models"]))
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
            f"<title>whet: performance</title><style>{STYLE}</style></head>\n<body>"
            + "\n".join(parts) + "</body></html>\n")


def describe_machine(options):
    machine = {"command": " ".join(["bench/report.py"] + sys.argv[1:]),
               "date": datetime.date.today().isoformat(), "system": platform.platform()}
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = re.findall(r"model name\s*: (.*)", cpuinfo.read_text())
        machine["processor"] = f"{len(names)} x {names[0]}" if names else platform.machine()
    if options.whet.exists():
        machine["whet"] = call(options.whet, "version").splitlines()[0]
    for peer in options.peers.split(","):
        try:
            machine[peer] = importlib.metadata.version(peer)
        except importlib.metadata.PackageNotFoundError:
            machine[peer] = "not installed"
    return machine


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("models", nargs="*")
    parser.add_argument("-o", "--output", default="report.html")
    parser.add_argument("--peers", default="onnxruntime,openvino")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rows", action="append", default=[])
    parser.add_argument("--build", default=str(HERE.parent / "build"))
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    options.whet = pathlib.Path(options.build) / "bin/whet"
    options.footprint = pathlib.Path(options.build) / "bin/footprint"
    if not options.models and not options.rows:
        parser.error("models or --rows are needed")
    with tempfile.TemporaryDirectory() as folder:
        data = {"machine": describe_machine(options), "rows": measure_rows(options, folder),
                "models": [measure_model(options, m, folder) for m in options.models]}
    output = pathlib.Path(options.output)
    output.write_text(page(data), encoding="utf-8")
    output.with_suffix(".json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(f"{output} and {output.with_suffix('.json')}")


if __name__ == "__main__":
    main()
