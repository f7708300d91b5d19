# SPDX-License-Identifier: Apache-2.0
"""Latency of whet and its peers on the same models: one process each, interleaved; medians, ratios.

usage: compare.py MODEL.onnx ... [--peers onnxruntime,openvino,ncnn,MNN] [--threads 1,2]
                  [--batch 1,8] [--precision fp32] [--level 3] [--runs 3] [--rounds 4]
                  [--seconds 0.3] [--bound 1.05] [--clock wall] [--json FILE]

A cell is a model, batch and thread count. In a round every process is visited once and runs for
--seconds (at least 3 times); the others sleep. The ratio of a run is that of whet's median to the
median of the fastest peer. A cell fails when its ratio is above --bound in all runs; it ends
early when a run is not above. --batch sets dimensions that the model leaves open.
Peers are onnxruntime and openvino unless --peers names others. ncnn and MNN (packages ncnn and
pnnx, MNN) take models that their own tools convert in a temporary folder, and compute in FP32
whatever --precision says. Peers that are not installed, or that cannot convert or run a model,
are named and left out, as are ncnn and MNN where their output is wrong. --option NAME=VALUE goes
to whet's build, as --openvino NAME=VALUE goes to openvino. --clock cpu counts processor time, of
all threads: for one thread on a machine that others use. Needs what ./test.sh leaves in .venv."""

import argparse
import contextlib
import importlib.util
import json
import math
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import converted
import numpy as np

PEERS = ("onnxruntime", "openvino")
NUMPY = {"f32": np.float32, "i64": np.int64, "i32": np.int32, "u8": np.uint8, "i8": np.int8}
WRONG = 0.02  # a difference of outputs that is no rounding
TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32,
         "tensor(uint8)": np.uint8, "tensor(int8)": np.int8, "tensor(float16)": np.float16}


def make_input(name, shape, dtype, batch):
    """Random numbers, normal or small integers; zeros for masks. Open dimensions: the batch."""
    rng = np.random.default_rng(1)
    shape = [d if isinstance(d, int) and d > 0 else batch for d in shape]
    if "mask" in name:
        return np.zeros(shape, dtype)
    if np.dtype(dtype).kind in "iu":
        return rng.integers(0, 100, shape).astype(dtype)
    return rng.standard_normal(shape, dtype=np.float32).astype(dtype)


def start_whet(cell):
    import whet
    options = dict(o.split("=", 1) for o in cell["option"])
    engine = whet.build(cell["model"], threads=cell["threads"], level=cell["level"],
                        precision=cell["precision"], options=options,
                        shapes=cell["shapes"] or None)
    context = engine.context(cell["threads"])
    inputs = {k: make_input(k, shape, dtype, cell["batch"])
              for k, (dtype, shape) in engine.inputs.items()}
    return lambda: list(context.run(inputs).values())


def start_onnxruntime(cell):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cell["threads"]
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(cell["model"], options,
                                           providers=["CPUExecutionProvider"])
    inputs = {i.name: make_input(i.name, i.shape, TYPES[i.type], cell["batch"])
              for i in session.get_inputs()}
    return lambda: session.run(None, inputs)


def start_openvino(cell):
    import openvino
    core = openvino.Core()
    model = core.read_model(cell["model"])
    if cell["shapes"]:
        model.reshape({k: list(v) for k, v in cell["shapes"].items()})
    config = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1",
              "INFERENCE_NUM_THREADS": cell["threads"],
              "INFERENCE_PRECISION_HINT": "f32" if cell["precision"] == "fp32" else "bf16"}
    config.update(o.split("=", 1) for o in cell["openvino"])
    compiled = core.compile_model(model, "CPU", config)
    inputs = {k: make_input(i.get_any_name(), list(i.get_shape()), i.get_element_type().to_dtype(),
                            cell["batch"]) for k, i in enumerate(compiled.inputs)}
    request = compiled.create_infer_request()
    return lambda: list(request.infer(inputs, share_inputs=True, share_outputs=True).values())


STARTS = {"whet": start_whet, "onnxruntime": start_onnxruntime, "openvino": start_openvino,
          "ncnn": lambda cell: converted.start_ncnn(cell, model_inputs(cell)),
          "MNN": lambda cell: converted.start_mnn(cell, model_inputs(cell))}


def serve(cell):
    """A worker: gets ready, then times runs for as many seconds as each line says."""
    begin = time.perf_counter()
    try:
        call = STARTS[cell["peer"]](cell)
        ready = time.perf_counter() - begin
        np.savez(cell["outputs"], *[np.asarray(a) for a in call()])
    except Exception as e:  # of whatever runtime: one line instead of this worker
        print(json.dumps({"failed": " ".join(str(e).split())[:200] or repr(e)}), flush=True)
        return
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"ready_s": ready, "peak_mb": peak}), flush=True)
    clock = time.process_time if cell["clock"] == "cpu" else time.perf_counter
    for line in sys.stdin:
        seconds, times = float(line), []
        call()
        end = time.perf_counter() + seconds
        while len(times) < 3 or time.perf_counter() < end:
            start = clock()
            call()
            times.append(clock() - start)
        print(json.dumps(times), flush=True)


class Worker:
    def __init__(self, cell, peer, outputs):
        self.outputs = outputs
        cell = {**cell, "peer": peer, "outputs": outputs}
        self.process = subprocess.Popen([sys.executable, __file__, "--serve", json.dumps(cell)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.info = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        while line and not line.startswith(("{", "[")):
            line = self.process.stdout.readline()
        return json.loads(line) if line else {"failed": "its process ended"}

    def visit(self, seconds):
        try:
            self.process.stdin.write(f"{seconds}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return []
        times = self.answer()
        time.sleep(0.02)  # threads of theirs that spin after a run
        return times if isinstance(times, list) else []

    def results(self):
        with np.load(self.outputs) as f:
            return [f[k].astype(np.float64) for k in f.files]

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()


def difference(got, want):
    return max(float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30))
               for a, b in zip(got, want) if a.size)


def time_run(workers, options):
    times = {k: [] for k in workers}
    for i in range(options.rounds):
        for name in list(workers)[:: 1 if i % 2 else -1]:
            times[name] += workers[name].visit(options.seconds)
    return {k: statistics.median(v) * 1e3 for k, v in times.items() if v}


def read_ports(report):
    """{name: (type, dimensions)} from lines such as "name: f32[N,3,224,224]"."""
    ports = {}
    for text in report:
        name, _, shape = text.rpartition(": ")
        dtype, _, dims = shape.rstrip("]").partition("[")
        ports[name] = (dtype, [int(d) if d.isdigit() else d for d in dims.split(",") if d])
    return ports


def open_shapes(ports, batch):
    """The inputs of a model that leaves dimensions open, and their shapes at this batch."""
    return {k: [d if isinstance(d, int) else batch for d in dims] for k, (_, dims) in ports.items()
            if not all(isinstance(d, int) for d in dims)}


def model_inputs(cell):
    return {k: make_input(k, dims, NUMPY[dtype], cell["batch"])
            for k, (dtype, dims) in cell["inputs"].items()}


def left_out(worker, peer, got):
    """Why a worker's times would say nothing; empty where they do."""
    if "failed" in worker.info:
        return worker.info["failed"]
    if peer not in converted.PACKAGES:
        return ""
    results = worker.results()
    if [a.size for a in results] != [a.size for a in got]:
        return "its outputs have other shapes"
    error = difference([a.reshape(b.shape) for a, b in zip(results, got)], got)
    return "" if error < WRONG else f"its outputs are wrong (difference {error:.1e})"


def compare(path, threads, batch, options):
    import whet
    report = whet.check(path)
    inputs = read_ports(report["inputs"])
    cell = {"model": path, "threads": threads, "batch": batch, "level": options.level,
            "precision": options.precision, "option": options.option,
            "openvino": options.openvino, "clock": options.clock,
            "shapes": open_shapes(inputs, batch), "inputs": inputs,
            "results": list(read_ports(report["outputs"]))}
    row = {"model": pathlib.Path(path).stem, "threads": threads, "precision": options.precision,
           "level": options.level, "runs": []}
    if cell["shapes"]:
        row["batch"] = batch
    with tempfile.TemporaryDirectory() as folder:
        workers, got = {}, []
        for peer in ["whet"] + options.peers:
            worker = Worker(cell, peer, f"{folder}/{peer}.npz")
            reason = left_out(worker, peer, got)
            if reason:
                print(f"{row['model']}: {peer} is left out: {reason}", flush=True)
                worker.close()
                if peer == "whet":
                    return None
                continue
            workers[peer] = worker
            if peer == "whet":
                got = worker.results()
        row["build_s"] = workers["whet"].info["ready_s"]
        row["peak_mb"] = {k: w.info["peak_mb"] for k, w in workers.items()}
        row["difference"] = {k: difference(got, [b.reshape(a.shape) for a, b in
                                                 zip(got, w.results())])
                             for k, w in workers.items() if k != "whet"}
        while len(row["runs"]) < options.runs:
            row["runs"].append(time_run(workers, options))
            if ratio(row["runs"][-1]) <= options.bound:
                break
        for worker in workers.values():
            worker.close()
    best = min(row["runs"], key=ratio)
    row.update(ms=best, ratio=ratio(best), fails=ratio(best) > options.bound)
    return row


def ratio(run):
    peers = [v for k, v in run.items() if k != "whet"]
    return run["whet"] / min(peers) if peers else 1.0


def show(row):
    times = "  ".join(f"{k} {v:8.2f}" for k, v in row["ms"].items())
    error = max(row["difference"].values(), default=0)
    batch = f" batch {row['batch']}" if "batch" in row else ""
    print(f"{row['model'] + batch:26} {row['threads']} threads  {times} ms  "
          f"ratio {row['ratio']:.3f}{' FAILS' if row['fails'] else ''}  "
          f"difference {error:.1e}  build {row['build_s']:.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--batch", default="1")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--level", type=int, default=3)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--bound", type=float, default=1.05)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--option", action="append", default=[])
    parser.add_argument("--openvino", action="append", default=[])
    parser.add_argument("--json")
    options = parser.parse_args()
    asked = [p for p in options.peers.split(",") if p]
    options.peers = [p for p in asked if all(importlib.util.find_spec(n)
                                             for n in converted.PACKAGES.get(p, (p,)))]
    for peer in asked:
        if peer not in options.peers:
            print(f"{peer} is not installed")
    rows = []
    for path in options.models:
        for batch in (int(b) for b in options.batch.split(",")):
            for threads in (int(t) for t in options.threads.split(",")):
                row = compare(path, threads, batch, options)
                if row is None:
                    continue
                rows.append(row)
                show(row)
                if options.json:
                    pathlib.Path(options.json).write_text(json.dumps(rows, indent=1) + "\n",
                                                          encoding="utf-8")
            if rows and "batch" not in rows[-1]:
                break  # the model's own batch
    if rows:
        mean = math.exp(statistics.fmean(math.log(r["ratio"]) for r in rows))
        print(f"{len(rows)} cells, geometric mean {mean:.3f}, worst "
              f"{max(r['ratio'] for r in rows):.3f}, {sum(r['fails'] for r in rows)} fail")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(json.loads(sys.argv[2]))
    else:
        main()
