"""Turns recordings into log-mel shards: `STORE/NNNN.npz`, each with the features of many clips.

With `--watch` it goes on as synthetic clips arrive.
"""

import argparse
import glob
import json
import os
import time

import numpy
import soundfile
import torch

import network

CLIPS_A_SHARD = 250
MARGIN_FRAMES = 12


def trim(features: numpy.ndarray) -> numpy.ndarray:
    """Cuts the silence at both ends down to `MARGIN_FRAMES`, by the loudness of the frames."""
    loudness = features[:, 8:60].mean(axis=1)
    floor, top = numpy.quantile(loudness, [0.05, 0.98])
    loud = numpy.flatnonzero(loudness > floor + 0.3 * (top - floor))
    if top - floor < 2.0 or len(loud) == 0:
        return features
    # A lone loud frame is a click: speech has some in a row.
    runs = numpy.split(loud, numpy.flatnonzero(numpy.diff(loud) > 1) + 1)
    speech = [run for run in runs if len(run) >= 5]
    if not speech:
        return features
    first, last = speech[0][0], speech[-1][-1]
    return features[max(0, first - MARGIN_FRAMES) : last + MARGIN_FRAMES]


def table(path: str) -> list[dict]:
    """The rows of a file of tab-separated values with a header."""
    with open(path) as file:
        lines = [line.rstrip("\n").split("\t") for line in file]
    return [dict(zip(lines[0], line)) for line in lines[1:]]


def held_out_wake(folder: str) -> set[str]:
    """Every tenth recording of each wake phrase: for evaluation only."""
    by_text: dict[str, list[str]] = {}
    for row in table(os.path.join(folder, "transcripts.tsv")):
        by_text.setdefault(row["text"], []).append(row["path"])
    return {path for paths in by_text.values() for path in sorted(paths)[::10]}


def recordings(commands: str, wakewords: str):
    """`(path, kind, text)` of the recorded training clips."""
    for row in table(os.path.join(commands, "transcripts.tsv")):
        if row["split"] == "train":
            yield os.path.join(commands, row["path"]), "real-order", row["text"]
    held_out = held_out_wake(wakewords)
    for row in table(os.path.join(wakewords, "transcripts.tsv")):
        if row["path"] not in held_out:
            yield os.path.join(wakewords, row["path"]), "real-wake", row["text"]


def synthetic(folder: str):
    """`(path, kind, text)` of the clips below `folder` that are complete so far."""
    for listing in sorted(glob.glob(os.path.join(folder, "*", "list.tsv"))):
        with open(listing) as file:
            for line in file:
                fields = line.rstrip("\n").split("\t")
                if line.endswith("\n") and len(fields) == 4:
                    yield os.path.join(os.path.dirname(listing), fields[0]), fields[1], fields[3]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("--commands", required=True)
    parser.add_argument("--wakewords", required=True)
    parser.add_argument("--synthetic", required=True)
    parser.add_argument("--watch", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    front_end = network.FrontEnd()
    os.makedirs(arguments.store, exist_ok=True)
    done: set[str] = set()
    for path in sorted(glob.glob(os.path.join(arguments.store, "*.npz"))):
        done.update(json.loads(str(numpy.load(path)["names"])))
    shard = len(glob.glob(os.path.join(arguments.store, "*.npz")))
    while True:
        clips = [clip for clip in recordings(arguments.commands, arguments.wakewords)]
        clips += list(synthetic(arguments.synthetic))
        clips = [clip for clip in clips if clip[0] not in done]
        for start in range(0, len(clips), CLIPS_A_SHARD):
            part = clips[start : start + CLIPS_A_SHARD]
            features = []
            for path, _kind, _text in list(part):
                try:
                    samples, rate = soundfile.read(path, dtype="float32")
                except soundfile.LibsndfileError as error:
                    print(f"left out {path}: {error}", flush=True)
                    part = [clip for clip in part if clip[0] != path]
                    done.add(path)
                    continue
                if rate != network.SAMPLE_RATE:
                    raise ValueError(f"{path}: {rate} Hz")
                with torch.no_grad():
                    frames = front_end(torch.from_numpy(samples)).numpy()
                features.append(trim(frames).astype(numpy.float16))
            temporary = os.path.join(arguments.store, "part.tmp")
            with open(temporary, "wb") as file:
                numpy.savez(
                    file,
                    features=numpy.concatenate(features),
                    lengths=numpy.array([len(one) for one in features]),
                    names=json.dumps([clip[0] for clip in part]),
                    kinds=json.dumps([clip[1] for clip in part]),
                    texts=json.dumps([clip[2] for clip in part]),
                )
            os.replace(temporary, os.path.join(arguments.store, f"{shard:04}.npz"))
            shard += 1
            done.update(clip[0] for clip in part)
            print(f"shard {shard}: {len(done)} clips", flush=True)
        if not arguments.watch:
            return
        time.sleep(45)


if __name__ == "__main__":
    main()
