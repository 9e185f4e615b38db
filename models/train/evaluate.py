"""Error rates of a checkpoint on recordings it has not seen.

`evaluate.py FOLDER --commands .. --wakewords .. --alnum .. --ordinary ..` prints one line a set.
Greedy decoding; `--streaming` runs the encoder segment by segment with carried state, as the
engine does, else the whole clip at once, which gives the same.
"""

import argparse
import glob
import json
import os

import numpy
import soundfile
import torch

import features as store
import mixture
import network
import vocabulary

MAX_SYMBOLS_A_FRAME = 3
# Silence after each clip: the stream goes on when the speaker has finished.
TAIL_SECONDS = 0.6
# Tokens further apart than this belong to two finals.
FINAL_GAP_SECONDS = 0.8
FRAME_SECONDS = 0.04


class Greedy:
    """Greedy search in numpy, over a copy of the network's weights."""

    def __init__(self, model: network.Network) -> None:
        self.model = model
        self.blank = model.config["blank"]
        self.weight = model.joiner.linear.weight.detach().numpy()
        self.bias = model.joiner.linear.bias.detach().numpy()
        self.cache: dict[tuple, tuple] = {}

    def step(self, token: int, state):
        with torch.no_grad():
            out, _, state = self.model.predictor(
                torch.tensor([[token]]), torch.tensor([1], dtype=torch.int32), state
            )
        return out[0, 0].numpy(), state

    def __call__(self, encoded: numpy.ndarray) -> list[tuple[int, int]]:
        """`(frame, token)` of each emission."""
        out: list[tuple[int, int]] = []
        prediction, state = self.step(self.blank, None)
        for frame, vector in enumerate(encoded):
            for _ in range(MAX_SYMBOLS_A_FRAME):
                logits = self.weight @ numpy.maximum(vector + prediction, 0) + self.bias
                token = int(logits.argmax())
                if token == self.blank:
                    break
                out.append((frame, token))
                prediction, state = self.step(token, state)
        return out


def edit_distance(left: list[str], right: list[str]) -> int:
    """Substitutions, deletions and insertions."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def finals(emissions: list[tuple[int, int]]) -> int:
    """How many finals a stream's emissions make."""
    frames = [frame for frame, _ in emissions]
    gaps = numpy.diff(frames) * FRAME_SECONDS > FINAL_GAP_SECONDS
    return int(gaps.sum()) + 1 if frames else 0


def noise(minutes: int) -> numpy.ndarray:
    """Silence and made-up noises, other ones than in training, at many levels."""
    rng = numpy.random.default_rng(99)
    parts = []
    for power in mixture.noise_bank(seed=99, seconds=40):
        level = 10 ** rng.uniform(3.0, 9.0)
        parts.append(mixture.to_log(power * level))
    parts.append(numpy.zeros((4000, network.MELS)))
    return numpy.concatenate(parts)[: minutes * 6000].astype(numpy.float32)


class Sets:
    """The evaluation sets as log-mel features."""

    def __init__(self, commands: str, wakewords: str, alnum: str, ordinary: str) -> None:
        front_end = network.FrontEnd()

        def read(path: str) -> numpy.ndarray:
            samples, rate = soundfile.read(path, dtype="float32")
            if rate != network.SAMPLE_RATE:
                samples = torch.from_numpy(samples)
                samples = torch.nn.functional.interpolate(
                    samples[None, None], scale_factor=network.SAMPLE_RATE / rate, mode="linear"
                )[0, 0].numpy()
            samples = numpy.pad(samples, (0, int(TAIL_SECONDS * network.SAMPLE_RATE)))
            with torch.no_grad():
                return front_end(torch.from_numpy(samples)).numpy()

        self.sets: dict[str, list[tuple[numpy.ndarray, str]]] = {"orders": [], "wake": []}
        for row in store.table(os.path.join(commands, "transcripts.tsv")):
            if row["split"] == "dev":
                clip = (read(os.path.join(commands, row["path"])), row["text"])
                self.sets["orders"].append(clip)
        texts = {row["path"]: row["text"] for row in store.table(os.path.join(wakewords, "transcripts.tsv"))}
        for path in sorted(store.held_out_wake(wakewords)):
            try:
                self.sets["wake"].append((read(os.path.join(wakewords, path)), texts[path]))
            except soundfile.LibsndfileError as error:  # a few of the recordings are damaged
                print(f"left out {path}: {error}", flush=True)
        for name, labels in (("digits", vocabulary.DIGITS), ("letters", vocabulary.LETTERS)):
            self.sets[name] = [
                (read(path), label)
                for label in labels
                for path in sorted(glob.glob(os.path.join(alnum, label, "*.wav")))
            ]
        self.sets["ordinary"] = [
            (read(os.path.join(ordinary, row["path"])), "")
            for row in store.table(os.path.join(ordinary, "transcripts.tsv"))
        ]
        self.sets["noise"] = [(noise(10), "")]


def encode(model, features: numpy.ndarray, mean, invstddev, streaming: bool) -> numpy.ndarray:
    """`(frames, encoding)` of one clip; after its end there are zeros."""
    config = model.config
    segment, right = config["segment_length"], config["right_context_length"]
    normal = (torch.from_numpy(features) - mean) * invstddev
    segments = -(-len(normal) // segment)
    pad = segments * segment + right - len(normal)
    normal = torch.nn.functional.pad(normal, (0, 0, 0, pad))[None]
    with torch.no_grad():
        if not streaming:
            return model.encode(normal)[0].numpy()
        out, state = [], None
        for index in range(segments):
            chunk = normal[:, index * segment : (index + 1) * segment + right]
            length = torch.tensor([segment + right])
            part, _, state = model.transcriber.infer(chunk, length, state)
            out.append(part[0].numpy())
        return numpy.concatenate(out)


def evaluate(model, mean, invstddev, sets: Sets, streaming=False, only=None, show=False) -> dict:
    """The figures by name: error rates in percent, false finals a minute."""
    model.eval()
    words = ["<unk>", *vocabulary.words()]
    search = Greedy(model)
    figures: dict[str, float] = {}
    for name, clips in sets.sets.items():
        if only and name not in only:
            continue
        errors = total = wrong = false = 0
        seconds = 0.0
        for features, text in clips:
            emissions = search(encode(model, features, mean, invstddev, streaming))
            heard = [words[token] for _, token in emissions]
            wanted = text.split()
            errors += edit_distance(wanted, heard)
            total += len(wanted)
            wrong += heard != wanted
            false += finals(emissions)
            seconds += len(features) / 100
            if show and heard != wanted:
                print(f"  {name}: {text!r} heard {' '.join(heard)!r}")
        if name in ("ordinary", "noise"):
            figures[name] = 60 * false / seconds
        else:
            figures[name] = 100 * errors / max(total, 1)
            figures[name + "_clips"] = 100 * wrong / max(len(clips), 1)
    return figures


def load(folder: str):
    """The network and statistics of a checkpoint folder."""
    with open(os.path.join(folder, "commands.config.json")) as file:
        config = json.load(file)
    model = network.Network(config)
    model.load_state_dict(torch.load(os.path.join(folder, "commands.pt")))
    mean, invstddev = network.load_statistics(os.path.join(folder, "commands.stats.json"))
    return model, mean, invstddev


def add_sets(parser: argparse.ArgumentParser) -> None:
    """The options that name the evaluation sets."""
    for name in ("commands", "wakewords", "alnum", "ordinary"):
        parser.add_argument(f"--{name}", required=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    add_sets(parser)
    parser.add_argument("--streaming", action="store_true")
    parser.add_argument("--show", action="store_true", help="print what was misheard")
    parser.add_argument("--only", nargs="*")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model, mean, invstddev = load(arguments.folder)
    sets = Sets(arguments.commands, arguments.wakewords, arguments.alnum, arguments.ordinary)
    figures = evaluate(
        model, mean, invstddev, sets, arguments.streaming, arguments.only, arguments.show
    )
    for name, value in figures.items():
        unit = "false finals a minute" if name in ("ordinary", "noise") else "% wrong"
        print(f"{name:16} {value:7.2f} {unit}")


if __name__ == "__main__":
    main()
