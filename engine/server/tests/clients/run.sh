#!/usr/bin/env bash
# The unchanged Python clients of OpenAI, Deepgram and Wyoming against `voxlane serve`: a dozen recordings each, or the three of
# the tree where ../shared is absent.
set -euo pipefail
cd "$(dirname "$0")/../../../.."
target="${CARGO_TARGET_DIR:-target}"
cargo build -p voxlane-cli
voxlane="$target/debug/voxlane"
for model in moonshine-tiny silero-vad smart-turn; do
    "$voxlane" models fetch "$model" >/dev/null
done
recordings=../shared/speech/dev/audio
if [ ! -d "$recordings" ]; then
    recordings=models/tests/golden
    echo "clients: ../shared/speech is absent, with the recordings of the tree"
fi
for client in openai deepgram wyoming; do
    python3 "engine/server/tests/clients/${client}_client.py" \
        --voxlane "$voxlane" --clips 12 --venv "$target/clients" "$recordings"
done
