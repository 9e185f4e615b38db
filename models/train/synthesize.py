"""Makes synthetic speech with one engine: `OUT/NNNNNN.flac` at 16 kHz and `OUT/list.tsv`
(`file, kind, voice, text`; ordinary speech has an empty text).

Engines: `kokoro` (Kokoro-82M as ONNX with its voice files), `hibari` (the hibari-tts package),
`espeak` and `flite` (the Debian programs).
"""

import argparse
import glob
import io
import os
import random
import subprocess

import numpy
import scipy.signal
import soundfile

import texts

SHARES = {  # of each kind, by engine
    "kokoro": "digit 30 digits 14 letter 12 letters 6 order 8 wake 6 ordinary 24",
    "hibari": "digit 8 digits 14 letter 8 letters 8 order 20 wake 4 ordinary 38",
    "espeak": "digit 14 digits 14 letter 8 letters 6 order 22 wake 6 ordinary 30",
    "flite": "digit 14 digits 14 letter 8 letters 6 order 22 wake 6 ordinary 30",
}
ACCENTS = ["en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-us-nyc", "en-029", "en-gb-x-gbclan"]
VARIANTS = [f"m{i}" for i in range(1, 9)] + [f"f{i}" for i in range(1, 6)]


def to_16k(samples: numpy.ndarray, rate: int) -> numpy.ndarray:
    """Resamples, and levels the peak."""
    divisor = numpy.gcd(rate, 16_000)
    if rate != 16_000:
        samples = scipy.signal.resample_poly(samples, 16_000 // divisor, rate // divisor)
    return 0.5 * samples / max(float(numpy.abs(samples).max()), 1e-4)


class Hibari:
    """One natural voice, about 70 times real time."""

    def __init__(self, _arguments) -> None:
        import hibari

        self.engine = hibari.Hibari()

    def __call__(self, rng, text):
        speed = rng.uniform(0.8, 1.25)
        return numpy.asarray(self.engine(text, speed=speed)), 24_000, f"heart@{speed:.2f}"


class Kokoro:
    """28 English voices, and mixtures of two of them; about real time."""

    def __init__(self, arguments) -> None:
        import hibari
        import json
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(arguments.kokoro, options)
        self.phonemize = hibari.Hibari().phonemize
        with open(os.path.join(hibari.__path__[0], "assets", "vocab.json")) as file:
            self.tokens = json.load(file)
        self.voices = {}
        for path in sorted(glob.glob(os.path.join(arguments.voices, "[ab][fm]_*.bin"))):
            name = os.path.basename(path)[:-4]
            self.voices[name] = numpy.fromfile(path, numpy.float32).reshape(-1, 256)

    def __call__(self, rng, text):
        phonemes = " ".join(self.phonemize(text))
        ids = [self.tokens[p] for p in phonemes if p in self.tokens]
        first, second = rng.sample(sorted(self.voices), 2)
        share = 0.0 if rng.random() < 0.5 else rng.uniform(0.3, 0.7)
        style = (1 - share) * self.voices[first][len(ids)] + share * self.voices[second][len(ids)]
        feed = {
            "tokens": numpy.array([[0, *ids, 0]]),
            "style": style[None],
            "speed": numpy.array([rng.uniform(0.8, 1.25)], numpy.float32),
        }
        voice = first if share == 0.0 else f"{first}+{second}@{share:.2f}"
        return self.session.run(None, feed)[0].reshape(-1), 24_000, voice


class Program:
    """espeak-ng or flite."""

    def __init__(self, engine: str) -> None:
        self.engine = engine

    def __call__(self, rng, text):
        if self.engine == "espeak":
            voice = f"{rng.choice(ACCENTS)}+{rng.choice(VARIANTS)}"
            command = ["espeak-ng", "-v", voice, "-s", str(rng.randint(115, 210))]
            command += ["-p", str(rng.randint(20, 80)), "--stdout", text]
        else:
            voice = rng.choice(["kal16", "awb", "rms", "slt"])
            command = ["flite", "-voice", voice, "-o", "/dev/stdout", "-t", text]
            command += ["--setf", f"duration_stretch={rng.uniform(0.75, 1.3):.2f}"]
            mean = {"slt": 180}.get(voice, 110) * rng.uniform(0.75, 1.35)
            command += ["--setf", f"int_f0_target_mean={mean:.0f}"]
        wav = subprocess.run(command, capture_output=True, check=True).stdout
        # Written to a pipe, the sizes in the header are not set: read the samples past it.
        rate = int.from_bytes(wav[24:28], "little")
        return numpy.frombuffer(wav[44 : len(wav) // 2 * 2], numpy.int16) / 32768, rate, voice


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=SHARES)
    parser.add_argument("out")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--books", nargs="*", default=[], help="plain texts to read from")
    parser.add_argument("--words", help="a list of words, one a line")
    parser.add_argument("--kokoro", help="the ONNX file")
    parser.add_argument("--voices", help="the folder of Kokoro's voice files")
    arguments = parser.parse_args()
    engines = {"hibari": Hibari, "kokoro": Kokoro}
    name = arguments.engine
    engine = engines[name](arguments) if name in engines else Program(name)
    shares = SHARES[name].split()
    ordinary = texts.OrdinaryText(arguments.books, arguments.words)
    rng = random.Random(arguments.seed)
    os.makedirs(arguments.out, exist_ok=True)
    with open(os.path.join(arguments.out, "list.tsv"), "a", buffering=1) as listing:
        for index in range(arguments.count):
            kind = rng.choices(shares[::2], [int(share) for share in shares[1::2]])[0]
            text, target = texts.draw(rng, kind, ordinary)
            samples, rate, voice = engine(rng, texts.spoken(text))
            if len(samples) < rate // 10:
                continue
            file = f"{arguments.seed}_{index:06}.flac"
            buffer = io.BytesIO()
            soundfile.write(buffer, to_16k(samples, rate), 16_000, format="FLAC")
            with open(os.path.join(arguments.out, file), "wb") as out:
                out.write(buffer.getvalue())
            listing.write(f"{file}\t{kind}\t{voice}\t{target}\n")


if __name__ == "__main__":
    main()
