"""Moonshine under onnxruntime, the plain way: what our engine is compared with."""

import math
from pathlib import Path

import numpy as np
import onnxruntime

SAMPLE_RATE = 16000
MIN_SAMPLES = 895  # one frame of the stem; shorter audio has no text
START_TOKEN = 1
END_TOKEN = 2
TOKENS_PER_SECOND = 6.5


def session(model, threads=1):
    """A session on the CPU. `model` is a path or the bytes of a file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    source = str(model) if isinstance(model, Path) else model
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


class Moonshine:
    """Encoder and merged decoder of one folder."""

    def __init__(self, folder, threads=1):
        self.encoder = session(Path(folder) / "encoder_model.onnx", threads)
        self.decoder = session(Path(folder) / "decoder_model_merged.onnx", threads)
        self.cache_inputs = {
            i.name: np.zeros((0, i.shape[1], 1, i.shape[3]), np.float32)
            for i in self.decoder.get_inputs()
            if i.name.startswith("past_key_values.")
        }
        outputs = [o.name for o in self.decoder.get_outputs()]
        # The output that carries on a cache input: past_key_values.X -> present.X
        self.cache_outputs = [
            outputs.index(name.replace("past_key_values.", "present.")) for name in self.cache_inputs
        ]

    def encode(self, samples):
        """f32 samples [n] -> hidden frames [1, frames, hidden]."""
        return self.encoder.run(None, {"input_values": samples[None, :]})[0]

    def decode(self, hidden, limit):
        """Yields, for every step, the chosen token and all its logits, up to and with the end token."""
        caches = dict(self.cache_inputs)
        token = START_TOKEN
        for step in range(limit):
            results = self.decoder.run(
                None,
                {
                    "input_ids": np.array([[token]], np.int64),
                    "encoder_hidden_states": hidden,
                    "use_cache_branch": np.array([step > 0]),
                    **caches,
                },
            )
            for name, output in zip(caches, self.cache_outputs):
                # The cached branch returns empty encoder keys and values: keep the first ones.
                if step == 0 or ".decoder." in name:
                    caches[name] = results[output]
            logits = results[0][0, -1]
            token = int(logits.argmax())
            yield token, logits
            if token == END_TOKEN:
                return

    def transcribe(self, samples):
        """f32 samples -> generated tokens (end token included) and the gap between the two best logits of each."""
        if len(samples) < MIN_SAMPLES:
            return [], []
        tokens, gaps = [], []
        for token, logits in self.decode(self.encode(samples), token_limit(len(samples))):
            second, best = np.partition(logits, -2)[-2:]
            tokens.append(token)
            gaps.append(float(best - second))
        return tokens, gaps


def token_limit(samples):
    """The most tokens that are generated for so many samples, the end token included."""
    return math.ceil(samples / SAMPLE_RATE * TOKENS_PER_SECOND) + 1
