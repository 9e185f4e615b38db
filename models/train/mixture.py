"""Training streams: utterances placed one after another over noise, all in the mel domain.

Powers of independent sounds add, so mixing, reverberation, filters and gain are cheap sums and
products of mel powers; a warp of the mel axis stands for another vocal tract, a stretch of the
time axis for another pace.
"""

import glob
import json
import os
import random

import numpy
import scipy.signal
import torch

import features
import network
import vocabulary

# Input frames to one encoder frame.
STRIDE = 4
# What cross entropy passes over.
UNSURE = -100

# How often each kind of utterance is drawn. `shuffled` is made on the fly from recorded commands;
# nothing of it is a command.
SHARES = {
    "real-order": 22,
    "real-wake": 7,
    "order": 34,
    "wake": 4,
    "digit": 50,
    "digits": 11,
    "letter": 4,
    "letters": 3,
    "ordinary": 40,
    "shuffled": 6,
}
E = float(numpy.e)


def to_power(log_mel: numpy.ndarray) -> numpy.ndarray:
    """The inverse of the front end's piecewise linear log."""
    x = log_mel.astype(numpy.float32)
    return numpy.where(x > 1.0, numpy.exp(x), x * E)


def to_log(power: numpy.ndarray) -> numpy.ndarray:
    """The front end's piecewise linear log."""
    return numpy.where(power > E, numpy.log(numpy.maximum(power, E)), power / E)


def noise_bank(seed: int = 7, seconds: int = 40) -> list[numpy.ndarray]:
    """Mel powers of made-up noises at unit mean: coloured, gusty, hums, chords, knocks."""
    rng = numpy.random.default_rng(seed)
    count = seconds * network.SAMPLE_RATE
    time = numpy.arange(count) / network.SAMPLE_RATE
    white = rng.standard_normal(count)
    spectrum = numpy.fft.rfft(white)
    frequency = numpy.maximum(numpy.fft.rfftfreq(count, 1 / network.SAMPLE_RATE), 20)
    sounds = [white]
    for slope in (0.5, 1.0, 1.5):
        sounds.append(numpy.fft.irfft(spectrum / frequency**slope, count))
    gusts = numpy.interp(time, numpy.arange(seconds + 1), rng.random(seconds + 1) ** 3)
    sounds.append(sounds[2] * gusts)
    for base in (50.0, 60.0, 120.0):
        hum = sum(numpy.sin(2 * numpy.pi * base * k * time) / k for k in range(1, 12))
        sounds.append(hum + 0.05 * hum.std() * white)
    for _ in range(4):  # chords that change, with decaying notes
        tune = numpy.zeros(count)
        at = 0.0
        while at < seconds - 2:
            length = rng.uniform(0.15, 0.9)
            span = slice(int(at * 16_000), int((at + length) * 16_000))
            local = time[span] - at
            for _ in range(rng.integers(1, 4)):
                pitch = 110 * 2 ** (rng.integers(0, 36) / 12)
                note = sum(
                    numpy.sin(2 * numpy.pi * pitch * k * local) / k ** rng.uniform(1, 2)
                    for k in range(1, 6)
                )
                tune[span] += note * numpy.exp(-local * rng.uniform(1, 6))
            at += length * rng.uniform(0.5, 1.0)
        sounds.append(tune)
    knocks = numpy.zeros(count)
    knocks[rng.integers(0, count, seconds * 3)] = rng.uniform(0.2, 1.0, seconds * 3)
    for decay, low in ((0.01, 300), (0.03, 1500)):
        ring = rng.standard_normal(4000) * numpy.exp(-numpy.arange(4000) / 16_000 / decay)
        ring = scipy.signal.lfilter(*scipy.signal.butter(2, low / 8000), ring)
        sounds.append(numpy.convolve(knocks, ring)[:count])
    front_end = network.FrontEnd()
    bank = []
    for sound in sounds:
        samples = torch.from_numpy((0.1 * sound / sound.std()).astype(numpy.float32))
        with torch.no_grad():
            power = to_power(front_end(samples).numpy())
        bank.append((power / power.mean()).astype(numpy.float32))
    return bank


class Shards:
    """The clips of a store by kind; `refresh` takes in new shards."""

    def __init__(self, store: str) -> None:
        self.store = store
        self.seen: set[str] = set()
        self.clips: dict[str, list[tuple[numpy.ndarray, list[int]]]] = {}
        self.refresh()

    def refresh(self) -> None:
        ids = vocabulary.token_ids()
        for path in sorted(glob.glob(os.path.join(self.store, "*.npz"))):
            if path in self.seen:
                continue
            self.seen.add(path)
            shard = numpy.load(path)
            ends = numpy.cumsum(shard["lengths"])
            frames = shard["features"]
            kinds, texts = json.loads(str(shard["kinds"])), json.loads(str(shard["texts"]))
            for index, (kind, text) in enumerate(zip(kinds, texts)):
                start = 0 if index == 0 else ends[index - 1]
                tokens = [ids[word] for word in text.split()]
                if ends[index] - start >= 10:
                    self.clips.setdefault(kind, []).append((frames[start : ends[index]], tokens))


class Mixer:
    """Draws training streams of a fixed length."""

    def __init__(self, shards: Shards, frames: int, seed: int, noises: list[numpy.ndarray]) -> None:
        self.shards = shards
        self.frames = frames
        self.rng = random.Random(seed)
        self.noises = noises

    def utterance(self) -> tuple[numpy.ndarray, list[int]]:
        """Mel powers of one utterance, at unit mean over its loud half, and its tokens."""
        rng = self.rng
        kinds = [kind for kind in SHARES if kind == "shuffled" or self.shards.clips.get(kind)]
        kind = rng.choices(kinds, [SHARES[kind] for kind in kinds])[0]
        if kind == "shuffled":
            clip, _ = rng.choice(self.shards.clips[rng.choice(["real-order", "real-wake"])])
            power, tokens = self.shuffled(to_power(clip)), []
        else:
            clip, tokens = rng.choice(self.shards.clips[kind])
            power = to_power(clip)
        power = self.warp(power)
        frame_power = power.mean(axis=1)
        loud = frame_power[frame_power >= frame_power.mean() * 0.3]
        return power / max(float(loud.mean()), 1e-3), tokens

    def shuffled(self, power: numpy.ndarray) -> numpy.ndarray:
        """Real speech backwards, or as a salad of pieces too short to hold a word."""
        rng = self.rng
        if rng.random() < 0.3:
            return power[::-1]
        pieces, at = [], 0
        while at < len(power):
            length = rng.randint(8, 22)
            pieces.append(power[at : at + length])
            at += length
        rng.shuffle(pieces)
        return numpy.concatenate(pieces)[: rng.randint(60, 400)]

    def warp(self, power: numpy.ndarray) -> numpy.ndarray:
        """Another pace and another vocal tract."""
        rng = self.rng
        if rng.random() < 0.8:
            pace = rng.uniform(0.83, 1.2)
            at = numpy.arange(0, len(power) - 1, pace, dtype=numpy.float32)
            low = numpy.minimum(at.astype(int), len(power) - 2)
            share = (at - low)[:, None]
            power = power[low] * (1 - share) + power[low + 1] * share
        if rng.random() < 0.8:
            # Band to hertz, times the factor, and back to a band; 2840 mel is 8 kHz.
            factor = rng.uniform(0.84, 1.19)
            bands = numpy.arange(network.MELS, dtype=numpy.float32)
            hertz = 700 * (10 ** (bands / (network.MELS - 1) * 2840.0 / 2595) - 1) * factor
            at = numpy.log10(1 + hertz / 700) * 2595 / 2840.0 * (network.MELS - 1)
            at = numpy.clip(at, 0, network.MELS - 1.001)
            low = at.astype(int)
            share = at - low
            power = power[:, low] * (1 - share) + power[:, low + 1] * share
        return power

    def stream(self, hardness: float = 1.0) -> tuple[numpy.ndarray, list[int], numpy.ndarray]:
        """Unnormalized log-mel `(frames, 80)` of a stream, its tokens, and for each encoder frame
        the token that roughly ends there: the blank, or `UNSURE` where a word begins.

        `hardness` from 0 to 1 is how often rooms and loud noise are added, of how often they are
        in the end.
        """
        rng, frames = self.rng, self.frames
        canvas = numpy.zeros((frames, network.MELS), numpy.float32)
        tokens: list[int] = []
        marks = numpy.full(frames // STRIDE, vocabulary.num_symbols() - 1)
        # Recordings may begin in the middle of a breath: of the first utterance, too, not all is there.
        cursor, cut = (0, rng.randint(0, features.MARGIN_FRAMES + 3)) if rng.random() < 0.3 else (rng.randint(5, 80), 0)
        if rng.random() > 0.03:
            for _ in range(8):
                power, words = self.utterance()
                power, cut = power[cut:], 0
                if rng.random() < 0.4:
                    power = power * 10 ** rng.uniform(-0.8, 0.3)
                if cursor + len(power) > frames - (24 if words else 0):
                    if words or cursor > 0.8 * frames:
                        continue
                    power = power[: frames - cursor]
                canvas[cursor : cursor + len(power)] += power
                tokens += words
                mark(marks, words, cursor, len(power))
                cursor += len(power) + rng.randint(15, 130)
                if cursor > frames - 40:
                    break
        if rng.random() < 0.35 * hardness:  # late reverberation: an exponential tail of powers
            decay = 10 ** (-6 / (rng.uniform(0.15, 0.7) * 100))
            tail = scipy.signal.lfilter([0, 1], [1, -decay], canvas, axis=0).astype(numpy.float32)
            canvas = canvas + tail * rng.uniform(0.02, 0.25)
        if rng.random() < 0.5 * hardness:  # the microphone's and the room's filter
            knots = numpy.array([rng.uniform(-0.7, 0.7) for _ in range(6)])
            shape = numpy.interp(numpy.arange(network.MELS), numpy.linspace(0, 79, 6), knots)
            canvas = canvas * (10**shape).astype(numpy.float32)
        kind = rng.random()
        if kind < 0.9:
            decibels = rng.uniform(4, 30) if kind < 0.65 * hardness else rng.uniform(30, 60)
            noise = rng.choice(self.noises)
            at = rng.randrange(len(noise) - frames)
            canvas = canvas + noise[at : at + frames] * 10 ** (-decibels / 10)
        elif kind < 0.94:  # people talking in the background
            for _ in range(rng.randint(2, 4)):
                clip, _ = rng.choice(self.shards.clips.get("ordinary") or self.shards.clips["real-order"])
                power = to_power(clip)[:frames]
                at = rng.randrange(frames - len(power) + 1)
                level = 10 ** (-rng.uniform(1.0, 2.0)) / max(float(power.mean()), 1e-3)
                canvas[at : at + len(power)] += power * level
        # The loud half of an utterance at about 0.003 to 0.25 of full scale.
        level = 10 ** rng.uniform(7.0, 10.6)
        return to_log(canvas * level), tokens, marks


def mark(marks: numpy.ndarray, tokens: list[int], start: int, length: int) -> None:
    """Spreads the words over an utterance by their numbers of letters."""
    spellings = vocabulary.words()
    sizes = numpy.array([len(spellings[token - 1]) + 2 for token in tokens], float)
    first, last = start + features.MARGIN_FRAMES, start + length - features.MARGIN_FRAMES
    ends = first + numpy.cumsum(sizes) / max(sizes.sum(), 1) * max(last - first, 1)
    for token, end, size in zip(tokens, ends, sizes):
        width = size / sizes.sum() * max(last - first, 1)
        begin, middle, after = (int(x / STRIDE) for x in (end - width, end - 0.5 * width, end + 8))
        marks[begin:middle] = UNSURE
        marks[middle:after] = token


def masked(stream: numpy.ndarray, rng: random.Random) -> numpy.ndarray:
    """SpecAugment on normalized features."""
    for _ in range(2):
        width = rng.randint(0, 12)
        at = rng.randint(0, network.MELS - width)
        stream[:, at : at + width] = 0.0
    for _ in range(3):
        width = rng.randint(0, 12)
        at = rng.randint(0, len(stream) - width)
        stream[at : at + width] = 0.0
    return stream
