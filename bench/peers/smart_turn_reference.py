"""Reference probabilities of Smart Turn 3.2, kept in the tree as test data.

    smart_turn_reference.py WHEEL_FOLDER SPEECH_FOLDER OUT.tsv WAV...

WHEEL_FOLDER is the unpacked wheel of pipecat-ai 1.14.0 (`pip download --no-deps pipecat-ai==1.14.0`, then unzip), whose
own numpy front end and network are run, by onnxruntime with its default optimizations and one thread. SPEECH_FOLDER holds
the development sets `dev` and `dev-other`: of the first 60 and 40 recordings, each whole and cut off at 55 %. The WAVs come
first, likewise. Needs numpy, onnxruntime and soundfile.
"""

import csv
import importlib.util
import sys
from pathlib import Path

import numpy as np

TURN_SAMPLES = 128_000
SETS = (("dev", 60), ("dev-other", 40))
CUTS = (100, 55)


class Reference:
    def __init__(self, wheel):
        import onnxruntime

        folder = Path(wheel) / "pipecat/audio/turn/smart_turn"
        # By its path: importing the package would need all that it depends on.
        spec = importlib.util.spec_from_file_location("whisper_features", folder / "_whisper_features.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.features = module.compute_whisper_log_mel_features
        self.model = str(folder / "data/smart-turn-v3.2-cpu.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(self.model, options, providers=["CPUExecutionProvider"])

    def probability(self, samples):
        """Of the newest eight seconds of int16 samples, zeros in front of shorter ones."""
        newest = samples[-TURN_SAMPLES:]
        wave = np.zeros(TURN_SAMPLES, np.float32)
        wave[TURN_SAMPLES - len(newest) :] = newest.astype(np.float32) / 32768
        return float(self.session.run(None, {"input_features": self.features(wave)[None]})[0].ravel()[0])


def cuts(name, path):
    import soundfile

    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == 16_000, path
    for percent in CUTS:
        yield f"{name}\t{percent}", samples[: len(samples) * percent // 100]


def clips(speech):
    for name, count in SETS:
        with open(Path(speech) / name / "transcripts.tsv", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        for row in rows[:count]:
            yield from cuts(f"{name}/{row['id']}", Path(speech) / name / row["path"])


def main():
    wheel, speech, out, *wavs = sys.argv[1:]
    reference = Reference(wheel)
    with open(out, "w") as file:
        file.write("clip\tpercent\tsamples\tprobability\n")
        of_tree = (cut for wav in wavs for cut in cuts(Path(wav).stem, wav))
        for name, samples in [*of_tree, *clips(speech)]:
            file.write(f"{name}\t{len(samples)}\t{reference.probability(samples):.7f}\n")


if __name__ == "__main__":
    main()
