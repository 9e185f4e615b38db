"""Makes the set of turns for `voxlane-bench turns`: sentences that end, and the same sentences cut at their inner pauses.

Usage: turn_set.py FOLDER [SPEECH]

The sentences of turn_sentences.txt are spoken by hibari-tts (PyPI hibari-tts==0.2.1, soxr); those of LJ Speech and CMU
ARCTIC in SPEECH/dev (default ../shared/speech) that end in final punctuation are added. Writes 16 kHz WAV files and turns.tsv:
id, path, kind (`end` or `cut`) and half (`choose` or `report`; a sentence and its cuts are in one half).
"""

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE = 16_000
WINDOW = RATE // 100
SPEECH_SHARE = 0.05  # of the 95th percentile of the windows' loudness, as in bench/src/live/conversation.rs
LEAST_PAUSE = 9  # windows: 90 ms
KEPT = 6  # windows of a pause that a cut keeps


def spoken(text):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.wav"
        subprocess.run([Path(sys.executable).with_name("hibari"), text, "-o", file], check=True, capture_output=True)
        samples, rate = soundfile.read(file)
    samples = soxr.resample(samples, rate, RATE)
    return (np.clip(samples, -1, 1) * 32767).astype(np.int16)


def pauses(samples):
    """The first window of each pause within the speech."""
    windows = samples[: len(samples) // WINDOW * WINDOW].astype(float).reshape(-1, WINDOW)
    loudness = np.sqrt((windows**2).mean(axis=1))
    is_speech = loudness >= SPEECH_SHARE * np.quantile(loudness, 0.95)
    last = np.flatnonzero(is_speech)[-1]
    run, found = 0, []
    for window in range(np.flatnonzero(is_speech)[0], last + 1):
        run = 0 if is_speech[window] else run + 1
        if run == LEAST_PAUSE:
            found.append(window - run + 1)
    return found


def main():
    folder = Path(sys.argv[1])
    speech = Path(sys.argv[2] if len(sys.argv) > 2 else "../shared/speech")
    folder.mkdir(parents=True, exist_ok=True)
    sentences = Path(__file__).with_name("turn_sentences.txt").read_text().splitlines()
    turns = [(f"hibari-{number:02}", spoken(text)) for number, text in enumerate(sentences)]
    with open(speech / "dev" / "transcripts.tsv") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            is_sentence = row["ref_raw"].strip().endswith((".", "?", "!"))
            if is_sentence and row["subset"].lower().startswith(("lj", "arctic", "cmu")):
                samples, _ = soundfile.read(speech / "dev" / row["path"], dtype="int16")
                turns.append((row["id"], samples))
    with open(folder / "turns.tsv", "w") as out:
        print("id", "path", "kind", "half", sep="\t", file=out)
        for number, (name, samples) in enumerate(turns):
            half = ("choose", "report")[number % 2]
            cuts = [samples[: (window + KEPT) * WINDOW] for window in pauses(samples)]
            for index, part in enumerate([samples, *cuts]):
                path = f"{name}-{index}.wav"
                soundfile.write(folder / path, part, RATE)
                print(f"{name}-{index}", path, "cut" if index else "end", half, sep="\t", file=out)


main()
