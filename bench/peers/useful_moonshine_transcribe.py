"""Transcribes files with useful-moonshine-onnx, start-up included: what a user would otherwise run.

    useful_moonshine_transcribe.py MODEL_FOLDER FILE...
"""

import sys

# This folder has a module of the same name as the package.
sys.path.pop(0)

from moonshine_onnx import MoonshineOnnxModel, transcribe  # noqa: E402


def main():
    folder, *paths = sys.argv[1:]
    model = MoonshineOnnxModel(models_dir=folder, model_name="tiny")
    for path in paths:
        print(" ".join(transcribe(path, model)), flush=True)


if __name__ == "__main__":
    main()
