"""Times a look at a turn, ours and onnxruntime's, on one core, interleaved, on the same recordings.

    smart_turn_compare.py PROGRAM WHEEL_FOLDER [--dir FOLDER] [--clips N] [--rounds N] [--clock wall|cpu] [--core N]

PROGRAM is the example smart_turn of voxlane-models, built with --release; WHEEL_FOLDER is the unpacked wheel of
pipecat-ai 1.14.0 (see smart_turn_reference.py). A look is everything from samples to probability: theirs is the package's
own numpy front end and onnxruntime with one thread. Every recording goes through both in the order A B B A; the first round
is thrown away. Printed are median, 10th and 90th percentile and sample count of each, the ratio of the medians, and the
largest difference of the two probabilities. The processor's time (--clock cpu) is for a machine that others use too.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from smart_turn_reference import Reference, clips


def processor():
    names = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return names[0] if names else "unknown processor"


class Ours:
    def __init__(self, program, model, clock):
        self.process = subprocess.Popen([program, model], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.clock = clock

    def cpu(self):
        """Nanoseconds that the process has run."""
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0])

    def look(self, raw, samples):
        before = self.cpu()
        self.process.stdin.write(f"{raw}\n")
        self.process.stdin.flush()
        probability, milliseconds = map(float, self.process.stdout.readline().split())
        return probability, milliseconds if self.clock == "wall" else (self.cpu() - before) / 1e6


class Theirs:
    def __init__(self, wheel, clock):
        self.reference = Reference(wheel)
        self.now = time.perf_counter if clock == "wall" else time.thread_time

    def look(self, raw, samples):
        start = self.now()
        probability = self.reference.probability(samples)
        return probability, (self.now() - start) * 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--dir", type=Path, default=Path("../shared/speech"))
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--core", type=int, default=1)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {arguments.core})

    theirs = Theirs(arguments.wheel, arguments.clock)
    ours = Ours(arguments.program, theirs.reference.model, arguments.clock)
    times = {"voxlane": [], "onnxruntime": []}
    largest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        chosen = []
        for name, samples in list(clips(arguments.dir))[: arguments.clips]:
            raw = Path(folder) / name.replace("/", "-").replace("\t", ".")
            samples.tofile(raw)
            chosen.append((raw, samples))
        for number in range(arguments.rounds + 1):
            for raw, samples in chosen:
                results = [
                    (name, *system.look(raw, samples))
                    for name, system in (("voxlane", ours), ("onnxruntime", theirs), ("onnxruntime", theirs), ("voxlane", ours))
                ]
                largest = max(largest, abs(results[0][1] - results[1][1]))
                if number > 0:
                    for name, _, milliseconds in results:
                        times[name].append(milliseconds)
    print(f"{processor()}, core {arguments.core}, load {os.getloadavg()[0]:.1f}, {arguments.clock} time, milliseconds")
    print(f"{'':14} {'p10':>8} {'median':>8} {'p90':>8} {'n':>5}")
    for name, values in times.items():
        row = np.percentile(values, [10, 50, 90])
        print(f"{name:14} " + " ".join(f"{value:8.2f}" for value in row) + f" {len(values):5}")
    ratio = statistics.median(times["onnxruntime"]) / statistics.median(times["voxlane"])
    print(f"onnxruntime takes {ratio:.2f} times as long; the probabilities differ by at most {largest:.2g}")


if __name__ == "__main__":
    main()
