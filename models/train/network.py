"""The `commands` network: torchaudio's RNN-T classes at a small size, with a CTC head."""

import json
import math

import torch
import torchaudio
from torchaudio.models.rnnt import RNNT, _EmformerEncoder, _Joiner, _Predictor

SAMPLE_RATE = 16_000
HOP = 160
MELS = 80
# torchaudio's `RNNTBundle` gain: twice the decibels of the largest 16 bit sample.
GAIN = float(torch.iinfo(torch.int16).max) ** 2


def configuration(num_symbols: int) -> dict:
    """Every size of the network. Lengths named `*_length` are in 10 ms input frames,
    but for `left_context_length`, which counts frames after time reduction, as torchaudio does."""
    return {
        "arch": "emformer-rnnt",
        "sample_rate": SAMPLE_RATE,
        "n_fft": 400,
        "hop_length": HOP,
        "input_dim": MELS,
        "encoding_dim": 144,
        "num_symbols": num_symbols,
        "blank": num_symbols - 1,
        "segment_length": 12,
        "right_context_length": 4,
        "left_context_length": 15,
        "time_reduction_input_dim": 36,
        "time_reduction_stride": 4,
        "transformer_input_dim": 144,
        "transformer_num_heads": 4,
        "num_heads": 4,
        "transformer_ffn_dim": 576,
        "num_transformer_layers": 6,
        "transformer_activation": "relu",
        "transformer_tanh_on_mem": False,
        "max_memory_size": 0,
        "symbol_embedding_dim": 96,
        "num_lstm_layers": 1,
        "lstm_hidden": 96,
        "lstm_layer_norm": True,
        "lstm_layer_norm_epsilon": 1e-3,
        "joiner_activation": "relu",
        "ctc": True,
    }


class Network(RNNT):
    """torchaudio's `RNNT` with a linear CTC head on the encoder's output."""

    def __init__(self, config: dict, dropout: float = 0.1) -> None:
        encoder = _EmformerEncoder(
            input_dim=config["input_dim"],
            output_dim=config["encoding_dim"],
            segment_length=config["segment_length"],
            right_context_length=config["right_context_length"],
            time_reduction_input_dim=config["time_reduction_input_dim"],
            time_reduction_stride=config["time_reduction_stride"],
            transformer_num_heads=config["transformer_num_heads"],
            transformer_ffn_dim=config["transformer_ffn_dim"],
            transformer_num_layers=config["num_transformer_layers"],
            transformer_left_context_length=config["left_context_length"],
            transformer_dropout=dropout,
            transformer_activation=config["transformer_activation"],
            transformer_max_memory_size=config["max_memory_size"],
            transformer_weight_init_scale_strategy="depthwise",
            transformer_tanh_on_mem=config["transformer_tanh_on_mem"],
        )
        predictor = _Predictor(
            config["num_symbols"],
            config["encoding_dim"],
            symbol_embedding_dim=config["symbol_embedding_dim"],
            num_lstm_layers=config["num_lstm_layers"],
            lstm_hidden_dim=config["lstm_hidden"],
            lstm_layer_norm=config["lstm_layer_norm"],
            lstm_layer_norm_epsilon=config["lstm_layer_norm_epsilon"],
            lstm_dropout=dropout,
        )
        joiner = _Joiner(config["encoding_dim"], config["num_symbols"], config["joiner_activation"])
        super().__init__(encoder, predictor, joiner)
        self.ctc = torch.nn.Linear(config["encoding_dim"], config["num_symbols"])
        self.config = config

    def encode(self, input: torch.Tensor) -> torch.Tensor:
        """What `self.transcriber` gives for streams of one length, several times faster: each
        segment's queries meet only the keys they may see, not all keys under a mask.

        `input` is `(batch, frames + right context, mels)` and `frames` a whole number of segments.
        """
        encoder, config = self.transcriber, self.config
        stride = config["time_reduction_stride"]
        segment = config["segment_length"] // stride
        right = config["right_context_length"] // stride
        left, heads = config["left_context_length"], config["transformer_num_heads"]
        reduced = encoder.input_linear(input)
        batch, frames = reduced.shape[0], reduced.shape[1] // stride
        reduced = reduced[:, : frames * stride].reshape(batch, frames, -1)
        width = reduced.shape[2]
        segments = (frames - right) // segment
        # (batch, segments, segment + right context, width)
        hidden = reduced.unfold(1, segment + right, segment).transpose(2, 3)
        # Before the stream's start there is nothing to attend to.
        at = torch.arange(segments)[:, None] * segment + torch.arange(left + segment)[None] - left
        mask = torch.zeros(segments, 1, 1, left + segment + right)
        mask[:, 0, 0, : left + segment] = torch.where(at < 0, -1e8, 0.0)
        for layer in encoder.transformer.emformer_layers:
            normal = layer.layer_norm_input(hidden)
            attention = layer.attention
            query = attention.emb_to_query(normal)
            both = attention.emb_to_key_value(normal)
            spoken = both[:, :, :segment].reshape(batch, segments * segment, 2 * width)
            spoken = torch.nn.functional.pad(spoken, (0, 0, left, 0))
            seen = spoken.unfold(1, left + segment, segment).transpose(2, 3)
            both = torch.cat([seen, both[:, :, segment:]], dim=2)
            key, value = both.chunk(2, dim=-1)
            query, key, value = (
                x.reshape(batch, segments, x.shape[2], heads, width // heads).transpose(2, 3)
                for x in (query * attention.scaling, key, value)
            )
            weights = (query @ key.transpose(-1, -2) + mask).softmax(-1)
            mixed = (weights @ value).transpose(2, 3).reshape(hidden.shape)
            hidden = layer.dropout(attention.out_proj(mixed)) + hidden
            hidden = layer.layer_norm_output(layer.pos_ff(hidden) + hidden)
        hidden = hidden[:, :, :segment].reshape(batch, segments * segment, width)
        return encoder.layer_norm(encoder.output_linear(hidden))


def piecewise_linear_log(x: torch.Tensor) -> torch.Tensor:
    """torchaudio's `_piecewise_linear_log`: `ln x` above e, `x / e` below."""
    return torch.where(x > math.e, torch.log(x.clamp(min=math.e)), x / math.e)


class FrontEnd(torch.nn.Module):
    """The `RNNTBundle` front end, without the normalization: `(samples,)` to `(frames, 80)`."""

    def __init__(self) -> None:
        super().__init__()
        self.mel = torchaudio.transforms.MelSpectrogram(
            sample_rate=SAMPLE_RATE, n_fft=400, n_mels=MELS, hop_length=HOP
        )

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        return piecewise_linear_log(self.mel(samples) * GAIN).transpose(-1, -2)


def load_statistics(path: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and inverse standard deviation of each mel band."""
    with open(path) as file:
        blob = json.load(file)
    return torch.tensor(blob["mean"]), torch.tensor(blob["invstddev"])
