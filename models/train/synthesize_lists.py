"""Kokoro-82M in every one of its voices and in mixtures: digits and letters from phonemes, orders.

Writes `OUT/N.flac` at 16 kHz and appends `file, kind, voice, text` to `OUT/list.tsv`, as
`synthesize.py` does. `lists` speaks every digit and some letters in a row, an order and an
ordinary sentence of rare words for each voice; `lone` speaks each digit by itself; `orders`
speaks orders, ordinary sentences, and now and then a wake phrase.
"""

import argparse
import gzip
import json
import os
import random

import hibari
import numpy
import onnxruntime
import scipy.signal
import soundfile

import texts

ASSETS = os.path.join(hibari.__path__[0], "assets")
DIGITS = dict(
    zip(
        "zero one two three four five six seven eight nine".split(),
        "zˈɪɹO wˈʌn tˈu θɹˈi fˈɔɹ fˈIv sˈɪks sˈɛvən ˈAt nˈIn".split(),
    )
)
LETTERS = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        "ˈA bˈi sˈi dˈi ˈi ˈɛf ʤˈi ˈAʧ ˈI ʤˈA kˈA ˈɛl ˈɛm ˈɛn ˈO pˈi kjˈu ˈɑɹ ˈɛs tˈi jˈu vˈi "
        "dˈʌbᵊlju ˈɛks wˈI zˈi".split(),
    )
)
BRITISH = {"four": "fˈɔː", "zero": "zˈɪəɹQ", "r": "ˈɑː", "o": "ˈQ", "z": "zˈɛd"}
FRAMES = [
    "the {} was {} by the {}",
    "he went to the {} and found a {} {}",
    "it is not the {} of the {} but the {} that matters",
    "in the {} there were {} and {} people",
    "there is one {} that nobody knows about the {}",
    "{} {} {} {}",
    "after two {} of {} they were very {}",
    "his {} was as white as {} and he could hardly {}",
    "give the {} to your {} and come back",
]


class Kokoro:
    """The network, its voices and two phonemizers."""

    def __init__(self, model: str, voices: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(model, options)
        self.inputs = [one.name for one in self.session.get_inputs()]
        self.styles = {
            name[:-4]: numpy.fromfile(os.path.join(voices, name), numpy.float32).reshape(-1, 256)
            for name in sorted(os.listdir(voices))
            if name.endswith(".bin")
        }
        self.english = [name for name in self.styles if name[0] in "ab"]
        with open(os.path.join(ASSETS, "vocab.json")) as file:
            self.tokens = json.load(file)
        from hibari.g2p import G2P

        self.phonemizers = {british: G2P(british=british) for british in (False, True)}

    def phonemes(self, text: str, british: bool) -> str:
        """What a text sounds like."""
        found = self.phonemizers[british](text)
        found = found[0] if isinstance(found, tuple) else found
        return found if isinstance(found, str) else " ".join(found)

    def mixture(self, rng: random.Random) -> tuple[numpy.ndarray, str]:
        """A voice nobody has: the timbre (first half of a style) of up to two voices, the prosody
        (second half) of a third, which is an English one."""
        first, second = rng.choices(sorted(self.styles), k=2)
        third = rng.choice(self.english)
        share = rng.choice([0.0, 0.0, 0.25, 0.5])
        style = self.styles[third].copy()
        style[:, :128] = (1 - share) * self.styles[first][:, :128]
        style[:, :128] += share * self.styles[second][:, :128]
        return style, f"{third}/{first}+{second}@{share}"

    def speak(self, rng: random.Random, phonemes: str, style: numpy.ndarray) -> numpy.ndarray:
        """16 kHz samples without the silence around them."""
        ids = [self.tokens[phoneme] for phoneme in phonemes if phoneme in self.tokens][:400]
        # A voice has one style for each length; a longer one's speaks a little otherwise.
        row = style[min(len(ids) + rng.choice([0, 0, 20, 60]), len(style) - 1)]
        speed = numpy.array([rng.uniform(0.75, 1.25)], numpy.float32)
        feed = dict(zip(self.inputs, (numpy.array([[0, *ids, 0]]), row[None], speed)))
        samples = scipy.signal.resample_poly(self.session.run(None, feed)[0].ravel(), 2, 3)
        loudness = numpy.convolve(samples**2, numpy.full(320, 1 / 320), "same") ** 0.5
        loud = numpy.flatnonzero(loudness > 0.02 * loudness.max())
        samples = samples[max(0, loud[0] - 800) : loud[-1] + 800]
        return 0.5 * samples / max(float(numpy.abs(samples).max()), 1e-3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=["lists", "lone", "orders"])
    parser.add_argument("out")
    parser.add_argument("--kokoro", required=True, help="the ONNX file")
    parser.add_argument("--voices", required=True, help="the folder of its voice files")
    parser.add_argument("--rounds", type=int, required=True, help="voices, or passes over all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--books", nargs="*", default=[], help="plain texts, for `orders`")
    parser.add_argument("--words", help="a list of words, one a line, for `orders`")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    engine = Kokoro(arguments.kokoro, arguments.voices)
    with gzip.open(os.path.join(ASSETS, "lexicon_us_gold.json.gz")) as file:
        rare = [w for w in json.load(file) if w.isalpha() and w.islower() and 3 < len(w) < 12]
    os.makedirs(arguments.out, exist_ok=True)
    count = 0

    def save(samples: numpy.ndarray, kind: str, voice: str, text: str) -> None:
        nonlocal count
        count += 1
        name = f"{arguments.mode}{arguments.seed}_{count:06}.flac"
        soundfile.write(os.path.join(arguments.out, name), samples, 16_000, subtype="PCM_16")
        listing.write(f"{name}\t{kind}\t{voice}\t{text}\n")

    def row(table: dict, words: list[str], separator: str, kind: str) -> None:
        sounds = [BRITISH.get(w, table[w]) if british else table[w] for w in words]
        save(engine.speak(rng, separator.join(sounds) + ".", style), kind, voice, " ".join(words))

    def sentence(text: str, kind: str, style: numpy.ndarray, voice: str) -> None:
        sounds = engine.phonemes(texts.spoken(text) + ".", voice[0] == "b")
        save(engine.speak(rng, sounds, style), kind, voice, "" if kind == "ordinary" else text)

    ordinary = texts.OrdinaryText(arguments.books, arguments.words)
    with open(os.path.join(arguments.out, "list.tsv"), "a", buffering=1) as listing:
        for _ in range(arguments.rounds):
            if arguments.mode == "orders":
                style, voice = engine.mixture(rng)
                kinds = ["order", "order", "ordinary"] + ["wake"] * (rng.random() < 0.2)
                for kind in kinds:
                    sentence(texts.draw(rng, kind, ordinary)[0], kind, style, voice)
                continue
            if arguments.mode == "lone":
                style, voice = engine.mixture(rng)
                british = voice[0] == "b"
                for word in DIGITS:
                    row(DIGITS, [word], " ", "digit")
                continue
            first, second = rng.choice(list(engine.styles)), rng.choice(engine.english)
            share = rng.choice([0.0, 0.0, 0.3, 0.5])
            style = (1 - share) * engine.styles[first] + share * engine.styles[second]
            voice, british = f"{first}+{second}@{share}", first[0] == "b"
            digits = rng.sample(list(DIGITS), 10)
            for words in (digits[:5], digits[5:]):
                row(DIGITS, words, rng.choice([". ", "; ", ", "]), "digits")
            row(DIGITS, rng.choices(list(DIGITS), k=rng.randint(3, 7)), " ", "digits")
            row(LETTERS, rng.sample(list(LETTERS), 6), rng.choice([". ", "; ", ", "]), "letters")
            order = texts.order(rng)
            save(engine.speak(rng, engine.phonemes(order + ".", british), style), "order", voice, order)
            sentence = rng.choice(FRAMES).format(*rng.choices(rare, k=6))
            sounds = engine.phonemes(sentence + ".", british)
            save(engine.speak(rng, sounds, style), "ordinary", voice, "")


if __name__ == "__main__":
    main()
