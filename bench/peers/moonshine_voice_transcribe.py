"""Transcribes files with moonshine-voice, start-up included: what a user would otherwise run.

    moonshine_voice_transcribe.py MODEL_FOLDER FILE...
"""

import sys

from rivals import MoonshineVoice


def main():
    folder, *paths = sys.argv[1:]
    system = MoonshineVoice(folder, "wall")
    for path in paths:
        print(system.transcribe(path)["text"], flush=True)


if __name__ == "__main__":
    main()
