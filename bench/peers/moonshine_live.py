"""Feeds a conversation to moonshine-voice in real time and writes what it says, for `voxlane-bench live --events`.

    voxlane-bench live --write FOLDER
    moonshine_live.py MODEL_FOLDER FOLDER [UPDATE_SECONDS] > events.jsonl

MODEL_FOLDER is that of moonshine-tiny-quantized. Blocks of 20 ms are due on an absolute schedule; when a call takes
longer than that, the next blocks are pushed late, as a caller of this library would have it. Times count from when
the first sample was due.
"""

import json
import sys
import time

import soundfile
from moonshine_voice.moonshine_api import ModelArch
from moonshine_voice.transcriber import Transcriber, TranscriptEventListener

from rivals import moonshine_voice_folder

BLOCK_SECONDS = 0.02


class Writer(TranscriptEventListener):
    """Writes one line of JSON for each change."""

    def __init__(self):
        self.begun = 0.0

    def write(self, line, is_final):
        event = {
            "at": time.perf_counter() - self.begun,
            "segment": line.line_id % 2**32,
            "is_final": is_final,
            "start": line.start_time,
            "end": line.start_time + line.duration,
            "text": line.text,
        }
        print(json.dumps(event))

    def on_line_text_changed(self, event):
        if not event.line.is_complete:
            self.write(event.line, False)

    def on_line_completed(self, event):
        self.write(event.line, True)


def main():
    model_folder, folder, *interval = sys.argv[1:]
    interval = float(interval[0]) if interval else 0.5
    samples, rate = soundfile.read(f"{folder}/conversation.wav", dtype="float32")
    options = {"identify_speakers": "false"}
    transcriber = Transcriber(
        str(moonshine_voice_folder(model_folder)), ModelArch.TINY, update_interval=interval, options=options
    )
    stream = transcriber.create_stream(update_interval=interval)
    writer = Writer()
    stream.add_listener(writer)
    stream.start()
    block = int(BLOCK_SECONDS * rate)
    latest, longest = 0.0, 0.0
    writer.begun = time.perf_counter()
    for start in range(0, len(samples), block):
        part = samples[start : start + block].tolist()
        due = writer.begun + (start + len(part)) / rate
        time.sleep(max(0.0, due - time.perf_counter()))
        pushed = time.perf_counter()
        latest = max(latest, pushed - due)
        stream.add_audio(part, rate)
        longest = max(longest, time.perf_counter() - pushed)
    stream.stop()
    print(f"longest call {1e3 * longest:.0f} ms, latest push {1e3 * latest:.0f} ms late", file=sys.stderr)


if __name__ == "__main__":
    main()
