"""Times the streaming step of an Emformer RNN-T under onnxruntime and ours on one core, interleaved, on the same clips.

    emformer_onnx.py PROGRAM MODEL [--rounds N] [--clips N] [--clock wall|cpu] [--core N] [--dir FOLDER] [--json FILE]

PROGRAM is `voxlane-bench` built with --release; MODEL is the beginning of the names of the checkpoint's files, as in
`models/assets/commands`: .pt, .stats.json and .config.json follow. PROGRAM has that network built in; of another one,
imported with `voxlane models import`, --model tells its name.

torchaudio's `Emformer.infer` does not export as it is (lengths become constants), so the step is written once more in
plain operations and checked against torchaudio's, chunk by chunk. The graphs are exported to ONNX and run by
onnxruntime on one thread, in f32 and with its own dynamic 8-bit quantization. A chunk is one segment. Its time is that
of the encoder's step and of greedy decoding; features are made beforehand and counted for nobody. Decoding is given
the best of it: one call of the joiner for all frames of a chunk, argmax included, and another only behind a token.

In every round each clip goes through all systems in one order and then in the reverse order; the first round is
thrown away. Wants torch and torchaudio 2.11.0, onnx, onnxruntime, soundfile.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy
import onnxruntime
import soundfile
import torch
from emformer_reference import features, network
from onnxruntime.quantization import quantize_dynamic

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
MAX_SYMBOLS = 4
# Names of the training's configuration -> those of torchaudio's arguments.
NAMES = {
    "num_transformer_layers": "transformer_num_layers",
    "left_context_length": "transformer_left_context_length",
    "max_memory_size": "transformer_max_memory_size",
    "lstm_hidden": "lstm_hidden_dim",
}


class Step(torch.nn.Module):
    """One segment with its right context: features, keys and values so far -> frames, keys and values.

    Keys and values are `(layers, frames before, width)`, none before the first segment.
    """

    def __init__(self, encoder, config):
        super().__init__()
        if config["transformer_max_memory_size"]:
            raise SystemExit("this step has no memory bank")
        self.encoder = encoder
        self.right = config["right_context_length"] // config["time_reduction_stride"]
        self.stride, self.heads = config["time_reduction_stride"], config["transformer_num_heads"]
        self.left = config["transformer_left_context_length"]

    def split(self, rows):
        return rows.view(rows.size(0), self.heads, -1).transpose(0, 1)

    def forward(self, rows, keys, values):
        reduced = self.encoder.input_linear(rows)
        hidden = reduced.view(rows.size(0) // self.stride, -1)
        new_keys, new_values = [], []
        for index, layer in enumerate(self.encoder.transformer.emformer_layers):
            attention = layer.attention
            normal = layer.layer_norm_input(hidden)
            query = attention.emb_to_query(normal) * attention.scaling
            key, value = attention.emb_to_key_value(normal).chunk(2, dim=1)
            seen_keys, seen_values = torch.cat([keys[index], key]), torch.cat([values[index], value])
            weights = torch.softmax(self.split(query) @ self.split(seen_keys).transpose(1, 2), dim=-1)
            mixed = (weights @ self.split(seen_values)).transpose(0, 1).reshape(hidden.size(0), -1)
            hidden = hidden + attention.out_proj(mixed)
            hidden = layer.layer_norm_output(hidden + layer.pos_ff(hidden))
            new_keys.append(seen_keys[: -self.right][-self.left :])
            new_values.append(seen_values[: -self.right][-self.left :])
        frames = self.encoder.layer_norm(self.encoder.output_linear(hidden[: -self.right]))
        return frames, torch.stack(new_keys), torch.stack(new_values)


class Predict(torch.nn.Module):
    """A symbol and the LSTM's state -> the row that the joiner adds, and the state."""

    def __init__(self, predictor):
        super().__init__()
        self.predictor = predictor

    def forward(self, token, hidden, cell):
        state = [[hidden[i], cell[i]] for i in range(len(self.predictor.lstm_layers))]
        out, _, state = self.predictor(token, torch.ones(1, dtype=torch.int32), state)
        return out[0, 0], torch.stack([s[0] for s in state]), torch.stack([s[1] for s in state])


class Join(torch.nn.Module):
    """Frames and a prediction -> the most likely symbol of each frame."""

    def __init__(self, joiner):
        super().__init__()
        self.joiner = joiner

    def forward(self, frames, prediction):
        return self.joiner.linear(self.joiner.activation(frames + prediction)).argmax(dim=1)


def load(prefix):
    config = json.loads(Path(f"{prefix}.config.json").read_text())
    config = {NAMES.get(name, name): value for name, value in config.items()}
    model = network(config)
    model.load_state_dict({name: w.float() for name, w in torch.load(f"{prefix}.pt").items()})
    return model, config, json.loads(Path(f"{prefix}.stats.json").read_text())


def no_past(config):
    width = config["time_reduction_input_dim"] * config["time_reduction_stride"]
    return torch.zeros(2, config["transformer_num_layers"], 0, width)


def chunks(rows, config):
    """The segments with what follows them; zeros behind the end. The last segment may be shorter."""
    segment, right, stride = config["segment_length"], config["right_context_length"], config["time_reduction_stride"]
    whole = max(0, (len(rows) - right) // segment)
    parts = [rows[i * segment : (i + 1) * segment + right] for i in range(whole)]
    rest = rows[whole * segment :]
    while len(rest) >= stride:
        size = min(segment, len(rest) // stride * stride)
        part = rest[: size + right]
        parts.append(numpy.pad(part, ((0, size + right - len(part)), (0, 0))))
        rest = rest[size:]
    return whole, parts


@torch.no_grad()
def check(model, config, step, rows):
    """Our step against torchaudio's on the whole segments of a clip."""
    keys, values = no_past(config)
    whole, parts = chunks(rows, config)
    state, worst = None, 0.0
    for part in map(torch.from_numpy, parts[:whole]):
        frames, keys, values = step(part, keys, values)
        expected, _, state = model.transcribe_streaming(part[None], torch.tensor([len(part)]), state)
        worst = max(worst, (frames - expected[0]).abs().max().item())
    print(f"the step differs from torchaudio's by at most {worst:.1e} on {whole} chunks")
    assert worst < 1e-4


@torch.no_grad()
def export(model, config, folder):
    """encoder.onnx, predictor.onnx and joiner.onnx, in f32, and their quantized versions."""
    keys, values = torch.zeros(2, *no_past(config).shape[1:2], 5, no_past(config).shape[3])
    rows = torch.zeros(config["segment_length"] + config["right_context_length"], config["input_dim"])
    state = torch.zeros(config["num_lstm_layers"], 1, config.get("lstm_hidden_dim") or config["symbol_embedding_dim"])
    frames = torch.zeros(3, config["encoding_dim"])
    token = torch.zeros(1, 1, dtype=torch.int64)
    graphs = {
        "encoder": (Step(model.transcriber, config), (rows, keys, values), ["rows", "keys", "values"]),
        "predictor": (Predict(model.predictor), (token, state, state), ["token", "hidden", "cell"]),
        "joiner": (Join(model.joiner), (frames, frames[0]), ["frames", "prediction"]),
    }
    dynamic = {"rows": {0: "time"}, "keys": {1: "past"}, "values": {1: "past"}, "frames": {0: "frames"}}
    for name, (module, example, inputs) in graphs.items():
        axes = {i: dynamic[i] for i in inputs if i in dynamic}
        plain = folder / f"{name}.onnx"
        torch.onnx.export(
            module.eval(), example, str(plain), input_names=inputs, dynamic_axes=axes, opset_version=17, dynamo=False
        )
        quantize_dynamic(plain, folder / f"{name}.int8.onnx")


class OnnxRuntime:
    """The three graphs, driven from Python; the time of the Python between the calls is counted."""

    def __init__(self, folder, suffix, config, clock):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        graphs = ("encoder", "predictor", "joiner")
        self.run = {
            name: onnxruntime.InferenceSession(
                str(folder / f"{name}{suffix}"), options, providers=["CPUExecutionProvider"]
            ).run
            for name in graphs
        }
        self.config, self.clock = config, CLOCKS[clock]
        self.blank = config["num_symbols"] - 1

    def predict(self, token, hidden, cell):
        inputs = {"token": numpy.array([[token]], dtype=numpy.int64), "hidden": hidden, "cell": cell}
        return self.run["predictor"](None, inputs)

    def decode(self, frames, predicted, tokens):
        """Greedy: at every frame the most likely symbol until that is the blank or there were four."""
        at, said = 0, 0
        while at < len(frames):
            best = self.run["joiner"](None, {"frames": frames[at:], "prediction": predicted[0]})[0]
            spoken = numpy.flatnonzero(best != self.blank)
            if not len(spoken):
                break
            said = said + 1 if spoken[0] == 0 else 1
            at += int(spoken[0])
            tokens.append(int(best[spoken[0]]))
            predicted = self.predict(tokens[-1], *predicted[1:])
            if said == MAX_SYMBOLS:
                at, said = at + 1, 0
        return predicted

    def transcribe(self, clip):
        keys, values = no_past(self.config).numpy()
        size = self.config.get("lstm_hidden_dim") or self.config["symbol_embedding_dim"]
        state = numpy.zeros((self.config["num_lstm_layers"], 1, size), dtype=numpy.float32)
        tokens, encoder, decoder = [], [], []
        predicted = self.predict(self.blank, state, state)
        for part in clip["chunks"]:
            begun = self.clock()
            frames, keys, values = self.run["encoder"](None, {"rows": part, "keys": keys, "values": values})
            encoded = self.clock()
            predicted = self.decode(frames, predicted, tokens)
            decoder.append(1e6 * (self.clock() - encoded))
            encoder.append(1e6 * (encoded - begun))
        whole = clip["whole"]
        return {"tokens": tokens, "encoder_us": encoder[:whole], "decoder_us": decoder[:whole]}


class Voxlane:
    """`voxlane-bench commands --serve`: a process that stays, inherits this process's core and times itself."""

    def __init__(self, program, *options):
        command = [program, "commands", "--serve", *options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def transcribe(self, clip):
        self.process.stdin.write(f"{clip['path']}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit("voxlane-bench has ended, see its message above")
        return json.loads(answer)


def read_clips(folder, count, config, stats):
    with open(folder / "transcripts.tsv", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        paths = [(folder / row["path"]).resolve() for row in rows if row["split"] == "dev"][:count]
    clips = []
    for path in paths:
        samples, rate = soundfile.read(path, dtype="float32")
        assert rate == 16_000 and samples.ndim == 1, path
        rows = features(torch.from_numpy(samples), stats).numpy()
        whole, parts = chunks(rows, config)
        clips.append({"path": path, "rows": rows, "whole": whole, "chunks": parts})
    return clips


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("prefix", type=Path, metavar="MODEL")
    parser.add_argument("--model", default="commands", help="what PROGRAM calls the same network")
    parser.add_argument("--rounds", type=int, default=3, help="two samples of each chunk a round")
    parser.add_argument("--clips", type=int, default=12, help="how many of the commands' dev split")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: for a machine that others use too")
    parser.add_argument("--core", type=int, default=1)
    parser.add_argument("--dir", type=Path, default=Path("../shared/speech/commands"))
    parser.add_argument("--json", type=Path, help="write the samples to this file as well")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {arguments.core})
    torch.set_num_threads(1)

    model, config, stats = load(arguments.prefix)
    clips = read_clips(arguments.dir, arguments.clips, config, stats)
    check(model, config, Step(model.transcriber, config).eval(), clips[0]["rows"])
    with tempfile.TemporaryDirectory() as folder:
        export(model, config, Path(folder))
        systems = {
            "onnxruntime f32": OnnxRuntime(Path(folder), ".onnx", config, arguments.clock),
            "onnxruntime int8": OnnxRuntime(Path(folder), ".int8.onnx", config, arguments.clock),
        }
    for precision in ("f32", "int8"):
        options = ["--model", arguments.model, "--precision", precision, "--clock", arguments.clock]
        systems[f"voxlane {precision}"] = Voxlane(arguments.program, *options)

    samples = defaultdict(lambda: defaultdict(list))
    tokens = defaultdict(list)
    for number in range(arguments.rounds + 1):
        for clip in clips:
            for name in [*systems, *reversed(systems)]:
                result = systems[name].transcribe(clip)
                if number == 0:
                    tokens[name].append(result["tokens"])
                    continue
                encoder, decoder = result["encoder_us"], result["decoder_us"]
                samples["encoder step"][name] += encoder
                samples["greedy decoding"][name] += decoder
                samples["both"][name] += [e + d for e, d in zip(encoder, decoder)]

    print(f"onnxruntime {onnxruntime.__version__}, core {arguments.core}, load {os.getloadavg()[0]:.1f}")
    print(f"{len(clips)} clips, {arguments.rounds} rounds, {arguments.clock} time, microseconds a chunk")
    for title, per_system in samples.items():
        print(f"\n{title:18} {'p10':>8} {'median':>8} {'p90':>8} {'n':>7}  ratio to voxlane f32, int8")
        for name, values in per_system.items():
            deciles = statistics.quantiles(values, n=10)
            middle = statistics.median(values)
            ratios = [middle / statistics.median(per_system[f"voxlane {p}"]) for p in ("f32", "int8")]
            print(
                f"{name:18} {deciles[0]:8.1f} {middle:8.1f} {deciles[8]:8.1f} {len(values):7}"
                f"  {ratios[0]:.2f}x {ratios[1]:.2f}x"
            )
    print()
    for name in systems:
        same = sum(a == b for a, b in zip(tokens[name], tokens["onnxruntime f32"]))
        print(f"{name}: tokens as onnxruntime f32 in {same} of {len(tokens[name])} runs")
    if arguments.json:
        arguments.json.write_text(json.dumps({"samples": samples, "tokens": tokens}))


if __name__ == "__main__":
    main()
