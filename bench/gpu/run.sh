#!/usr/bin/env bash
# Proves on a machine with a GPU that a network says there what it says on the processor, and prints the tables of
# `voxlane-bench gpu`. Needs neither Rust nor a network:
#
#   run.sh PROGRAM MODEL_FOLDER CLIPS [BACKEND] [further arguments of `voxlane-bench gpu`]
#
# PROGRAM       voxlane-bench, built elsewhere with --release and the feature of the backend
# MODEL_FOLDER  the files of moonshine-tiny, as `voxlane models path moonshine-tiny` names their folder
# CLIPS         models/tests/golden
# BACKEND       cuda (the default) or wgpu
set -euo pipefail

if [ $# -lt 3 ]; then
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
program=$(realpath "$1")
model=$(realpath "$2")
clips=$(realpath "$3")
backend=${4:-cuda}
shift $(($# < 4 ? 3 : 4))
here=$(dirname "$(realpath "$0")")

# The program looks for models in its cache; this one holds nothing but a link to the folder.
cache=$(mktemp -d)
trap 'rm -rf "$cache"' EXIT
mkdir -p "$cache/models"
cp -r "$model" "$cache/models/moonshine-tiny"
export VOXLANE_CACHE=$cache

uname -srm
grep -m1 'model name' /proc/cpuinfo || true
if command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.sm --format=csv
fi

status=0
for float in f32 bf16 f16; do
    echo
    echo "== $backend, $float"
    # Without the device's bf16 there is nothing to measure in it; f32 must work, and say the same.
    if ! "$program" gpu --backend "$backend" --clips "$clips" --float "$float" \
        --batch 1,4,16,64,256 --streams 1,16,64,256 "$@"; then
        if [ "$float" = f32 ]; then status=1; else echo "not with $float, or not the same tokens"; fi
    fi
done

if python3 -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    echo
    echo "== PyTorch"
    python3 "$here/pytorch_step.py"
else
    echo
    echo "PyTorch with CUDA is not installed: no figures beside ours"
fi
exit $status
