"""Reference results of Moonshine under onnxruntime, kept in the tree as test data.

    moonshine_reference.py tokens MODEL_FOLDER DEV_FOLDER OUT.tsv [WAV...]
    moonshine_reference.py activations MODEL_FOLDER OUT_FOLDER WAV...

`tokens` transcribes every clip of DEV_FOLDER/transcripts.tsv (and further recordings) greedily, writes the token
ids and, at every step, the gap between the two best logits, and prints the word error rate.
`activations` writes, for every recording, hidden frames after the stem, each encoder layer and the last norm,
and the logits of the first decoder step.
"""

import argparse
import csv
import hashlib
import re
import time
from pathlib import Path

import numpy as np
import onnx
import soundfile
from tokenizers import Tokenizer

from moonshine_onnx import SAMPLE_RATE, Moonshine, session

FRAME_STEP = 5  # every fifth frame is kept, to keep the files small
STAGE_NAMES = "stem, each layer, last norm"


def read_samples(path):
    """16-bit mono at 16 kHz -> f32 in [-1, 1)."""
    samples, rate = soundfile.read(path, dtype="int16")
    if rate != SAMPLE_RATE or samples.ndim != 1:
        raise SystemExit(f"{path}: expected mono at {SAMPLE_RATE} Hz, found {rate} Hz, shape {samples.shape}")
    return samples.astype(np.float32) / 32768


def words(text):
    """Lower case, no punctuation apart from apostrophes within words."""
    return re.sub(r"[^a-z0-9' ]+", " ", text.lower().replace("\u2019", "'")).split()


def word_errors(reference, hypothesis):
    """Edit distance between two word lists."""
    row = list(range(len(hypothesis) + 1))
    for i, word in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(hypothesis, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1]


def write_tokens(arguments):
    model = Moonshine(arguments.model)
    tokenizer = Tokenizer.from_file(str(arguments.tokenizer or arguments.model / "tokenizer.json"))
    with open(arguments.dev / "transcripts.tsv", newline="") as file:
        clips = [
            (row["id"], arguments.dev / row["path"], row["ref_norm"], row["subset"])
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        ]
    clips += [(path.stem, path, None, None) for path in arguments.wav]
    errors, counts, audio_s, wall_s = {}, {}, 0.0, 0.0
    with open(arguments.out, "w") as out:
        out.write("clip\tsamples\ttranscript_sha256\ttokens\tgaps\ttext\n")
        for clip, path, transcript, subset in clips:
            samples = read_samples(path)
            started = time.perf_counter()
            tokens, gaps = model.transcribe(samples)
            wall_s += time.perf_counter() - started
            audio_s += len(samples) / SAMPLE_RATE
            text = tokenizer.decode(tokens, skip_special_tokens=True)
            sha = hashlib.sha256(transcript.encode()).hexdigest() if transcript else "-"
            columns = [
                clip,
                str(len(samples)),
                sha,
                " ".join(map(str, tokens)),
                " ".join(f"{gap:.4g}" for gap in gaps),
                text,
            ]
            out.write("\t".join(columns) + "\n")
            if transcript:
                reference = words(transcript)
                errors[subset] = errors.get(subset, 0) + word_errors(reference, words(text))
                counts[subset] = counts.get(subset, 0) + len(reference)
    for subset, count in counts.items():
        print(f"{subset}: {errors[subset]} errors in {count} words, {100 * errors[subset] / count:.2f} %")
    total, count = sum(errors.values()), sum(counts.values())
    print(f"all: {total} errors in {count} words, {100 * total / count:.2f} %")
    print(f"{audio_s:.0f} s of audio in {wall_s:.1f} s, {10_000 * wall_s / audio_s:.0f} ms per 10 s on one thread")


def layer_norm_inputs(graph):
    """What goes into each layer norm, in order. Exported as x - mean(x): a mean whose input is also subtracted from."""
    subtracted = {node.input[0] for node in graph.node if node.op_type == "Sub"}
    return [
        node.input[0] for node in graph.node if node.op_type == "ReduceMean" and node.input[0] in subtracted
    ]


def write_activations(arguments):
    encoder = onnx.load(arguments.model / "encoder_model.onnx")
    inputs = layer_norm_inputs(encoder.graph)
    # Two norms in each layer: every other input is the result of the stem or of a whole layer.
    stages = inputs[0::2] + [encoder.graph.output[0].name]
    for name in stages[:-1]:
        encoder.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    probe = session(encoder.SerializeToString())
    model = Moonshine(arguments.model)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for path in arguments.wav:
        samples = read_samples(path)
        stacked = np.concatenate(probe.run(stages, {"input_values": samples[None, :]}))
        _, logits = next(model.decode(model.encode(samples), 1))
        np.save(arguments.out / f"{path.stem}.hidden.npy", stacked[:, ::FRAME_STEP].astype("<f4"))
        np.save(arguments.out / f"{path.stem}.logits.npy", logits.astype("<f4"))
        print(f"{path.stem}: {stacked.shape[1]} frames, {stacked.shape[0]} stages ({STAGE_NAMES})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    tokens = commands.add_parser("tokens")
    tokens.add_argument("model", type=Path)
    tokens.add_argument("dev", type=Path)
    tokens.add_argument("out", type=Path)
    tokens.add_argument("wav", type=Path, nargs="*")
    tokens.add_argument("--tokenizer", type=Path, help="default: MODEL_FOLDER/tokenizer.json")
    tokens.set_defaults(run=write_tokens)
    activations = commands.add_parser("activations")
    activations.add_argument("model", type=Path)
    activations.add_argument("out", type=Path)
    activations.add_argument("wav", type=Path, nargs="+")
    activations.set_defaults(run=write_activations)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
