"""Reference results of torchaudio's Emformer RNN-T, kept in the tree as test data.

    emformer_reference.py small models/tests/data      # small networks, as stored in the tree
    emformer_reference.py base OUT_FOLDER              # the full base configuration, 77 M weights

For each network, randomly initialised: the checkpoint in the layout that torchaudio publishes (a state dict),
statistics and configuration as JSON, and a second file of tensors with features, encoder frames and what plain
decoding loops find. `small` also trains two SentencePiece models and stores what they make of some phrases.

Wants torch and torchaudio 2.11.0 and sentencepiece 0.2.
"""

import argparse
import io
import json
import math
from pathlib import Path

import sentencepiece
import torch
import torchaudio
from torchaudio.models import RNNT
from torchaudio.models.rnnt import _EmformerEncoder, _Joiner, _Predictor
from torchaudio.pipelines.rnnt_pipeline import _gain, _piecewise_linear_log

SAMPLES = 39_000
MAX_SYMBOLS = 4
# What makes the random networks say something in some frames.
BLANK_BIAS = {"base-like": 4.0, "memory": 3.3, "stateless": 4.0}
BEAM = 4

COMMON = {
    "input_dim": 80,
    "time_reduction_stride": 4,
    "transformer_tanh_on_mem": True,
    "transformer_max_memory_size": 0,
    "transformer_activation": "gelu",
    "lstm_layer_norm": True,
    "lstm_layer_norm_epsilon": 1e-3,
    "joiner_activation": "relu",
}
SMALL = {
    # Like the base configuration, much smaller.
    "base-like": COMMON
    | {
        "encoding_dim": 24,
        "num_symbols": 33,
        "segment_length": 16,
        "right_context_length": 4,
        "time_reduction_input_dim": 8,
        "transformer_num_heads": 4,
        "transformer_ffn_dim": 48,
        "transformer_num_layers": 3,
        "transformer_left_context_length": 6,
        "symbol_embedding_dim": 20,
        "num_lstm_layers": 2,
    },
    # A memory bank, a left context that is no multiple of the segment, plain LSTM, other activations.
    "memory": COMMON
    | {
        "encoding_dim": 20,
        "num_symbols": 17,
        "segment_length": 8,
        "right_context_length": 8,
        "time_reduction_input_dim": 6,
        "transformer_num_heads": 3,
        "transformer_ffn_dim": 40,
        "transformer_num_layers": 2,
        "transformer_left_context_length": 5,
        "transformer_max_memory_size": 3,
        "transformer_activation": "relu",
        "symbol_embedding_dim": 16,
        "num_lstm_layers": 1,
        "lstm_layer_norm": False,
        "joiner_activation": "tanh",
    },
    # A predictor without recurrence; memory bounded without tanh.
    "stateless": COMMON
    | {
        "encoding_dim": 16,
        "num_symbols": 17,
        "segment_length": 12,
        "right_context_length": 4,
        "time_reduction_input_dim": 4,
        "transformer_num_heads": 2,
        "transformer_ffn_dim": 32,
        "transformer_num_layers": 2,
        "transformer_left_context_length": 9,
        "transformer_max_memory_size": 2,
        "transformer_tanh_on_mem": False,
        "transformer_activation": "silu",
        "symbol_embedding_dim": 12,
        "num_lstm_layers": 0,
        "stateless_context": 2,
    },
}
BASE = {
    "base": COMMON
    | {
        "encoding_dim": 1024,
        "num_symbols": 4097,
        "segment_length": 16,
        "right_context_length": 4,
        "time_reduction_input_dim": 128,
        "transformer_num_heads": 8,
        "transformer_ffn_dim": 2048,
        "transformer_num_layers": 20,
        "transformer_left_context_length": 30,
        "symbol_embedding_dim": 512,
        "num_lstm_layers": 3,
    }
}


class Stateless(torch.nn.Module):
    """Embeddings of the last `context` symbols, each normed, side by side through one linear layer."""

    def __init__(self, symbols, output_dim, embedding_dim, context):
        super().__init__()
        self.context = context
        self.blank = symbols - 1
        self.embedding = torch.nn.Embedding(symbols, embedding_dim)
        self.input_layer_norm = torch.nn.LayerNorm(embedding_dim)
        self.linear = torch.nn.Linear(context * embedding_dim, output_dim)
        self.output_layer_norm = torch.nn.LayerNorm(output_dim)

    def forward(self, input, lengths, state=None):
        """`state` holds the symbols before `input`; blanks at the start. The same signature as _Predictor."""
        before = torch.full((input.size(0), self.context - 1), self.blank) if state is None else state[0][0]
        symbols = torch.cat([before, input], dim=1)
        rows = self.input_layer_norm(self.embedding(symbols))
        windows = torch.cat([rows[:, i : i + input.size(1)] for i in range(self.context)], dim=2)
        return self.output_layer_norm(self.linear(windows)), lengths, [[symbols[:, input.size(1) :]]]


def network(config):
    encoder = _EmformerEncoder(
        input_dim=config["input_dim"],
        output_dim=config["encoding_dim"],
        segment_length=config["segment_length"],
        right_context_length=config["right_context_length"],
        time_reduction_input_dim=config["time_reduction_input_dim"],
        time_reduction_stride=config["time_reduction_stride"],
        transformer_num_heads=config["transformer_num_heads"],
        transformer_ffn_dim=config["transformer_ffn_dim"],
        transformer_num_layers=config["transformer_num_layers"],
        transformer_left_context_length=config["transformer_left_context_length"],
        transformer_activation=config["transformer_activation"],
        transformer_max_memory_size=config["transformer_max_memory_size"],
        transformer_tanh_on_mem=config["transformer_tanh_on_mem"],
    )
    symbols, width = config["num_symbols"], config["encoding_dim"]
    if config["num_lstm_layers"] == 0:
        predictor = Stateless(symbols, width, config["symbol_embedding_dim"], config["stateless_context"])
    else:
        predictor = _Predictor(
            symbols,
            width,
            symbol_embedding_dim=config["symbol_embedding_dim"],
            num_lstm_layers=config["num_lstm_layers"],
            lstm_hidden_dim=config["symbol_embedding_dim"],
            lstm_layer_norm=config["lstm_layer_norm"],
            lstm_layer_norm_epsilon=config["lstm_layer_norm_epsilon"],
        )
    model = RNNT(encoder, predictor, _Joiner(width, symbols, config["joiner_activation"]))
    model.ctc = torch.nn.Linear(width, symbols)
    return model.eval()


def randomize(model, blank, seed, blank_bias):
    """Larger weights than at the start of training, so that outputs differ; norms that do something."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 1:
                weight.add_(0.2 * torch.randn_like(weight))
            elif "embedding" not in name:
                weight.mul_(1.3)
        model.joiner.linear.weight.mul_(3.0)
        model.ctc.weight.mul_(3.0)
        model.joiner.linear.bias[blank] += blank_bias
        model.ctc.bias[blank] += 1.5


def signal():
    """The same integers as the Rust tests make: noise that swells and falls, over a triangle wave."""
    samples, state = [], 1
    for i in range(SAMPLES):
        state = (state * 1_664_525 + 1_013_904_223) & 0xFFFFFFFF
        noise = (state >> 16) - 32_768
        loudness = abs(i // 200 % 64 - 32)
        period = 40 + i // 3000 * 9
        triangle = abs(i % period - period // 2) * 16_000 // period - 4_000
        samples.append(noise * loudness // 256 + triangle * ((i // 4_000) % 3) // 2)
    return torch.tensor(samples, dtype=torch.float32) / 32_768


def mel():
    return torchaudio.transforms.MelSpectrogram(sample_rate=16_000, n_fft=400, n_mels=80, hop_length=160)


def features(samples, stats):
    rows = _piecewise_linear_log(mel()(samples).transpose(1, 0) * _gain)
    return (rows - torch.tensor(stats["mean"])) * torch.tensor(stats["invstddev"])


def statistics(samples):
    rows = _piecewise_linear_log(mel()(samples).transpose(1, 0) * _gain)
    return {"mean": rows.mean(0).tolist(), "invstddev": (1 / (rows.std(0) + 0.1)).tolist()}


def encode(model, rows, config):
    """Offline: the frames, then as many zeros as the right context."""
    right = config["right_context_length"]
    padded = torch.nn.functional.pad(rows, (0, 0, 0, right)).unsqueeze(0)
    return model.transcribe(padded, torch.tensor([rows.size(0)]))[0][0]


def check_streaming(model, rows, offline, config):
    """torchaudio's own streaming step gives the same frames on the whole segments."""
    segment, right = config["segment_length"], config["right_context_length"]
    state, frames = None, []
    for start in range(0, rows.size(0) - segment - right + 1, segment):
        chunk = rows[start : start + segment + right].unsqueeze(0)
        out, _, state = model.transcribe_streaming(chunk, torch.tensor([segment + right]), state)
        frames.append(out[0])
    frames = torch.cat(frames)
    difference = (frames - offline[: frames.size(0)]).abs().max().item()
    print(f"  streaming differs from offline by {difference:.1e} on {frames.size(0)} frames")
    assert difference < 1e-4


class Decoder:
    def __init__(self, model, blank):
        self.model, self.blank = model, blank

    def predict(self, token, state):
        out, _, state = self.model.predict(torch.tensor([[token]]), torch.tensor([1]), state)
        return out, state

    def log_probs(self, frame, predicted):
        one = torch.tensor([1])
        return self.model.join(frame.view(1, 1, -1), one, predicted, one)[0].flatten().log_softmax(0)

    def greedy(self, frames):
        """[token, frame, log probability] for each token."""
        found = []
        predicted, state = self.predict(self.blank, None)
        for t, frame in enumerate(frames):
            for _ in range(MAX_SYMBOLS):
                log_probs = self.log_probs(frame, predicted)
                token = log_probs.argmax().item()
                if token == self.blank:
                    break
                found.append([token, t, log_probs[token].item()])
                predicted, state = self.predict(token, state)
        return found

    def beam(self, frames, beam):
        """Modified beam search. At each frame every hypothesis is extended by the blank and by its `beam` most
        likely symbols; the same symbols by two ways are one hypothesis, whose probabilities add up; the `beam`
        most probable stay."""
        hypotheses = [((), 0.0, self.predict(self.blank, None))]
        for frame in frames:
            extended = {}
            for symbols, score, (predicted, state) in hypotheses:
                log_probs = self.log_probs(frame, predicted)
                others = log_probs.clone()
                others[self.blank] = -math.inf
                steps = [(symbols, log_probs[self.blank].item(), None)]
                for token in others.topk(min(beam, others.numel() - 1)).indices.tolist():
                    steps.append((symbols + (token,), log_probs[token].item(), token))
                for key, log_prob, token in steps:
                    sums = extended.setdefault(key, [[], None, None])
                    sums[0].append(score + log_prob)
                    if token is None:
                        sums[1] = (predicted, state)
                    elif sums[2] is None:
                        sums[2] = (token, state)
            scored = [(key, torch.tensor(sums[0]).logsumexp(0).item(), *sums[1:]) for key, sums in extended.items()]
            scored.sort(key=lambda entry: -entry[1])
            hypotheses = [
                (key, score, ready if ready is not None else self.predict(*step))
                for key, score, ready, step in scored[:beam]
            ]
        return [(symbols, score) for symbols, score, _ in hypotheses]

    def ctc_greedy(self, logits):
        path = logits.argmax(1).tolist()
        return [t for i, t in enumerate(path) if t != self.blank and (i == 0 or path[i - 1] != t)]

    def ctc_beam(self, logits, beam):
        """CTC prefix beam search; at each frame a prefix is extended by its `beam` most likely symbols."""
        add = lambda a, b: torch.tensor([a, b]).logsumexp(0).item() if max(a, b) > -math.inf else -math.inf
        prefixes = {(): (0.0, -math.inf)}
        for row in logits.log_softmax(1):
            others = row.clone()
            others[self.blank] = -math.inf
            top = others.topk(min(beam, others.numel() - 1)).indices.tolist()
            extended = {}

            def put(key, blank, symbol):
                old = extended.get(key, (-math.inf, -math.inf))
                extended[key] = (add(old[0], blank), add(old[1], symbol))

            for prefix, (blank, symbol) in prefixes.items():
                whole = add(blank, symbol)
                last = row[prefix[-1]].item() if prefix else -math.inf
                put(prefix, whole + row[self.blank].item(), symbol + last)
                for token in top:
                    before = blank if prefix and prefix[-1] == token else whole
                    put(prefix + (token,), -math.inf, before + row[token].item())
            best = sorted(extended.items(), key=lambda entry: -add(*entry[1]))[:beam]
            prefixes = dict(best)
        return [(prefix, add(*sums)) for prefix, sums in prefixes.items()]


def padded(rows, fill):
    width = max((len(row) for row in rows), default=0)
    return torch.tensor([list(row) + [fill] * (width - len(row)) for row in rows], dtype=torch.int64)


@torch.no_grad()
def write(name, config, folder, seed):
    print(name)
    blank = config["num_symbols"] - 1
    torch.manual_seed(seed)
    model = network(config)
    randomize(model, blank, seed, BLANK_BIAS.get(name, 4.0))
    samples = signal()
    stats = statistics(samples)
    # As Rust reads the same JSON.
    stats = json.loads(json.dumps(stats))
    rows = features(samples, stats)
    frames = encode(model, rows, config)
    check_streaming(model, rows, frames, config)
    decoder = Decoder(model, blank)
    greedy = decoder.greedy(frames)
    beam = decoder.beam(frames, BEAM)
    logits = model.ctc(frames)
    ctc_beam = decoder.ctc_beam(logits, BEAM)
    ctc_greedy = decoder.ctc_greedy(logits)
    print(f"  {frames.size(0)} frames, {sum(p.numel() for p in model.parameters())} weights")
    print("  greedy", [token for token, _, _ in greedy])
    print("  beam  ", *beam, sep="\n    ")
    print("  ctc   ", ctc_greedy)
    print("  ctc beam", *ctc_beam, sep="\n    ")
    torch.save(model.state_dict(), folder / f"{name}.pt")
    (folder / f"{name}.stats.json").write_text(json.dumps(stats) + "\n")
    (folder / f"{name}.config.json").write_text(json.dumps(config, indent=1) + "\n")
    torch.save(
        {
            "features": rows[:: 7 if rows.numel() < 1 << 24 else 1].clone(),
            "frames": frames,
            "greedy_tokens": torch.tensor([g[0] for g in greedy], dtype=torch.int64),
            "greedy_frames": torch.tensor([g[1] for g in greedy], dtype=torch.int64),
            "greedy_log_probs": torch.tensor([g[2] for g in greedy]),
            "beam_tokens": padded([b[0] for b in beam], -1),
            "beam_scores": torch.tensor([b[1] for b in beam]),
            "ctc_greedy_tokens": torch.tensor(ctc_greedy, dtype=torch.int64),
            "ctc_beam_tokens": padded([b[0] for b in ctc_beam], -1),
            "ctc_beam_scores": torch.tensor([b[1] for b in ctc_beam]),
        },
        folder / f"{name}.reference.pt",
    )


PHRASES = ["turn on the light", "the kitchen", "play some music in the kitchen", "x", "set  a timer ", ""]
TEXT = [
    "turn on the light in the kitchen",
    "turn off the light in the hall",
    "play some music",
    "set a timer for ten minutes",
    "set the alarm to seven",
    "stop the music in the kitchen",
    "switch on the heating",
]


def vocabularies(folder):
    """Small SentencePiece models of both kinds, and their encodings."""
    expected = {}
    for kind, size in [("unigram", 32), ("bpe", 48)]:
        written = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(TEXT * 4),
            model_writer=written,
            vocab_size=size,
            model_type=kind,
            normalization_rule_name="identity",
            hard_vocab_limit=False,
            minloglevel=2,
        )
        file = folder / f"{kind}.spm"
        file.write_bytes(written.getvalue())
        processor = sentencepiece.SentencePieceProcessor(model_file=str(file))
        expected[kind] = {
            "pieces": [processor.id_to_piece(i) for i in range(processor.get_piece_size())],
            "encodings": [[phrase, processor.encode(phrase)] for phrase in PHRASES],
        }
    (folder / "vocabularies.json").write_text(json.dumps(expected, indent=0) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=["small", "base"])
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for seed, (name, config) in enumerate((SMALL if arguments.size == "small" else BASE).items(), 1):
        write(name, config, arguments.folder, seed)
    if arguments.size == "small":
        vocabularies(arguments.folder)


if __name__ == "__main__":
    main()
