"""Times ours and other systems on one core, interleaved, on the same recordings and the same weights.

    compare.py PROGRAM [--precision WORD]... [--rounds N] [--clips ID,ID…] [--clock wall|cpu]
               [--core N] [--dir FOLDER] [--json FILE]

PROGRAM is `voxlane-bench` built with --release. In every round each recording goes through all systems in one
order and then in the reverse order (A B … B A), so that what the machine does to one it does to all. The first
round is thrown away. Reading files and starting up are not timed. Printed are the median, the 10th and 90th
percentile and the sample count of every system, and the ratio of its median to ours: that of the medians of the
recordings, added up, with the smallest and largest ratio of a single recording beside it. Systems whose packages
are not installed are named and left out; --json writes every sample.
"""

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
from collections import defaultdict
from pathlib import Path

from rivals import CLOCKS, FasterWhisper, MoonshineVoice, OnnxRuntime, SherpaOnnx, Voxlane

# The recordings of the development set between 9.6 and 10.4 seconds.
TEN_SECONDS = "6181-216552-0000,1081-125237-0000,1088-129236-0000,8063-274112-0000,LJ001-0001,LJ001-0003,LJ001-0014"

MEASURES = {
    "total_ms": "whole utterance",
    "encoder_ms": "stem and encoder",
    "first_token_ms": "first token, with the cross-attention's keys and values",
    "token_ms": "each further token",
}


def percentile(values, share):
    ordered = sorted(values)
    return ordered[round(share * (len(ordered) - 1))]


def model_folder(program, name):
    """Where the model manager keeps a model; fetched if it is not there."""
    command = [program, "fetch", "--model", name]
    return Path(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


def measure(systems, clips, rounds):
    """samples[measure][system][clip] -> list of milliseconds, and texts[system][clip]."""
    samples = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    texts = defaultdict(dict)
    for number in range(rounds + 1):
        for clip, path in clips.items():
            for name in [*systems, *reversed(systems)]:
                result = systems[name].transcribe(path)
                texts[name][clip] = result["text"]
                for key in MEASURES:
                    if number > 0 and key in result:
                        samples[key][name][clip].append(result[key])
    return samples, texts


def print_table(title, per_system, ours):
    print(f"\n{title}, milliseconds")
    print(f"{'':28} {'p10':>8} {'median':>8} {'p90':>8} {'n':>5}  ratio to {ours} (one recording: least … most)")
    for name, per_clip in per_system.items():
        pooled = [value for values in per_clip.values() for value in values]
        row = f"{name:28} {percentile(pooled, 0.1):8.2f} {statistics.median(pooled):8.2f}"
        row += f" {percentile(pooled, 0.9):8.2f} {len(pooled):5}"
        if ours in per_system and name != ours:
            medians = {clip: statistics.median(values) for clip, values in per_clip.items()}
            base = {clip: statistics.median(values) for clip, values in per_system[ours].items()}
            ratios = [medians[clip] / base[clip] for clip in medians]
            ratio = sum(medians.values()) / sum(base[clip] for clip in medians)
            row += f"  {ratio:.2f} ({min(ratios):.2f} … {max(ratios):.2f})"
        print(row)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("--precision", action="append", help="default: f32; may be given several times")
    parser.add_argument("--rounds", type=int, default=5, help="two samples of each recording a round")
    parser.add_argument("--clips", default=TEN_SECONDS, help="ids of transcripts.tsv, with commas")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: for a machine that others use too")
    parser.add_argument("--core", type=int, default=1)
    parser.add_argument("--dir", type=Path, default=Path("../shared/speech/dev"))
    parser.add_argument("--json", type=Path, help="write the samples to this file as well")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {arguments.core})

    wanted = arguments.clips.split(",")
    with open(arguments.dir / "transcripts.tsv", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        clips = {row["id"]: (arguments.dir / row["path"]).resolve() for row in rows if row["id"] in wanted}
    if missing := set(wanted) - set(clips):
        raise SystemExit(f"not in {arguments.dir}: {', '.join(sorted(missing))}")

    plain = model_folder(arguments.program, "moonshine-tiny")
    quantized = model_folder(arguments.program, "moonshine-tiny-quantized")
    systems = {}
    for precision in arguments.precision or ["f32"]:
        options = ["--precision", precision, "--clock", arguments.clock]
        systems[f"voxlane {precision}, engine"] = Voxlane(arguments.program, *options)
        systems[f"voxlane {precision}, parts"] = Voxlane(arguments.program, *options, "--parts")
    rivals = {
        "onnxruntime f32": lambda: OnnxRuntime(plain, arguments.clock),
        "onnxruntime int8 file": lambda: OnnxRuntime(quantized, arguments.clock),
        "sherpa-onnx f32": lambda: SherpaOnnx(plain, arguments.clock),
        "sherpa-onnx int8 file": lambda: SherpaOnnx(quantized, arguments.clock),
        "moonshine-voice": lambda: MoonshineVoice(plain, arguments.clock),
        "faster-whisper tiny.en int8": lambda: FasterWhisper(arguments.clock),
    }
    missing = {}
    for name, start in rivals.items():
        try:
            systems[name] = start()
        except ImportError as error:
            missing[name] = str(error)
            print(f"left out: {name}: {error}")

    samples, texts = measure(systems, clips, arguments.rounds)

    print(f"{processor()}, core {arguments.core} of {os.cpu_count()}, load {os.getloadavg()[0]:.1f}")
    print(f"{len(clips)} recordings, {arguments.rounds} rounds, two samples of each a round; {arguments.clock} time")
    ours = [name for name in systems if name.startswith("voxlane")]
    for key, title in MEASURES.items():
        for name in ours:
            if name in samples[key]:
                rivals = {n: s for n, s in samples[key].items() if n == name or n not in ours}
                print_table(title, rivals, name)
    if arguments.json:
        by_title = {title: samples[key] for key, title in MEASURES.items()}
        arguments.json.write_text(json.dumps({"samples": by_title, "missing": missing, "texts": texts}))
    if "onnxruntime f32" not in systems:
        return
    reference = texts["onnxruntime f32"]
    print()
    for name in systems:
        same = sum(texts[name][clip].strip() == reference[clip].strip() for clip in clips)
        print(f"{name}: text as onnxruntime f32 on {same} of {len(clips)} recordings")


if __name__ == "__main__":
    main()
