"""Transcribes files with onnxruntime, start-up included: what a user would otherwise run.

    moonshine_transcribe.py MODEL_FOLDER FILE...
"""

import sys

import soundfile
from tokenizers import Tokenizer

from moonshine_onnx import Moonshine


def main():
    folder, *paths = sys.argv[1:]
    model = Moonshine(folder)
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    for path in paths:
        tokens, _ = model.transcribe(soundfile.read(path, dtype="float32")[0])
        print(tokenizer.decode(tokens, skip_special_tokens=True))


if __name__ == "__main__":
    main()
