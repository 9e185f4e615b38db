"""Reference probabilities of the Silero voice activity detector, kept in the tree as test data.

    voice_reference.py WHEEL_FOLDER DEV_FOLDER OUT.tsv WAV...

WHEEL_FOLDER is the unpacked wheel of silero-vad 6.2.3. Its own wrapper class runs the network, one call for each
512 samples; the handful of torch functions that the wrapper calls are stood in for by numpy, so that torch itself
(about a gigabyte) is not needed. Every probability of each WAV and of a synthetic signal is written, and every
sixteenth of each clip of DEV_FOLDER.
"""

import sys
import types
import warnings
from pathlib import Path

import numpy as np
import soundfile

SAMPLE_RATE = 16_000
FRAME_SAMPLES = 512
DEV_STEP = 16


class Tensor(np.ndarray):
    """An array that answers to the names torch uses."""

    def dim(self):
        return self.ndim

    def numpy(self):
        return np.asarray(self)

    def float(self):
        return self.astype(np.float32)

    def unsqueeze(self, dim):
        return np.expand_dims(self, dim)


def from_numpy(array):
    return np.asarray(array).view(Tensor)


def stand_in_for_torch():
    torch = types.ModuleType("torch")
    torch.Tensor = Tensor
    torch.from_numpy = from_numpy
    torch.zeros = lambda *shape: from_numpy(np.zeros(shape[0] if isinstance(shape[0], tuple) else shape, np.float32))
    torch.cat = lambda tensors, dim: from_numpy(np.concatenate(tensors, axis=dim))
    torch.device = str
    torch.no_grad = lambda: lambda function: function
    sys.modules["torch"] = torch


def wrapper(wheel):
    stand_in_for_torch()
    sys.path.insert(0, str(wheel / "silero_vad"))
    warnings.simplefilter("ignore")
    from utils_vad import OnnxWrapper

    return OnnxWrapper(str(wheel / "silero_vad/data/silero_vad_16k_op15.onnx"), force_onnx_cpu=True)


def synthetic():
    """Ten seconds: noise, whose loudness rises and falls, under a square wave that comes and goes.

    Whole numbers only, so that any language makes the same samples.
    """
    state, samples = 1, []
    for i in range(10 * SAMPLE_RATE):
        state = (state * 1_664_525 + 1_013_904_223) % 2**32
        noise = (state >> 16) - 32768
        loudness = abs(i % 16_000 - 8_000)
        square = 6_000 if i // 61 % 2 == 0 else -6_000
        samples.append(noise * loudness // 65_536 + (square if i // 4_800 % 3 == 0 else 0))
    return np.array(samples, np.int16)


def probabilities(model, samples):
    """One for each whole frame; what is left at the end is not looked at."""
    model.reset_states()
    frames = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    return [float(model(from_numpy(frame.astype(np.float32) / 32768), SAMPLE_RATE)[0, 0]) for frame in frames]


def read_samples(path):
    samples, rate = soundfile.read(path, dtype="int16")
    if rate != SAMPLE_RATE or samples.ndim != 1:
        raise SystemExit(f"{path}: expected mono at {SAMPLE_RATE} Hz")
    return samples


def main():
    if len(sys.argv) < 5:
        raise SystemExit(__doc__)
    wheel, dev, out = map(Path, sys.argv[1:4])
    model = wrapper(wheel)
    signals = [("synthetic", 1, synthetic())]
    signals += [(Path(path).stem, 1, read_samples(path)) for path in sys.argv[4:]]
    whole = {name for name, _, _ in signals}
    clips = sorted((dev / "audio").glob("*.flac"))
    signals += [(path.stem, DEV_STEP, read_samples(path)) for path in clips if path.stem not in whole]
    with open(out, "w") as table:
        table.write("clip\tsamples\tstep\tprobabilities\n")
        for name, step, samples in signals:
            values = " ".join(f"{value:.6f}" for value in probabilities(model, samples)[::step])
            table.write(f"{name}\t{len(samples)}\t{step}\t{values}\n")


if __name__ == "__main__":
    main()
