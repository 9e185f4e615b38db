#!/usr/bin/env bash
# How near a decode step comes to what the core can read, and what that depends on: the size of pages, and how far ahead
# the weights of the output projection are fetched. For processors with a small level-2 cache, where the share is low.
#
#     bench/bandwidth.sh RECORDING [CORE] [ROUNDS]
#
# A recording is 16-bit mono at 16 kHz. Variants take turns within each round; the shares are `voxlane-bench limits`'s.
set -euo pipefail
cd "$(dirname "$0")/.."
recording=$(realpath "$1")
core=${2:-1}
rounds=${3:-5}
target=${CARGO_TARGET_DIR:-target}/bandwidth
distance='s/AHEAD.get_or_init(|| .*)/AHEAD.get_or_init(|| %s)/'

# One program for each distance, built from a copy of the tree.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z | xargs -0 cp --parents -t "$copy"
for ahead in 0 1024 2048 4096 8192; do
    # shellcheck disable=SC2059
    sed -i "$(printf "$distance" "$ahead")" "$copy/kernels/src/isa.rs"
    cargo build --quiet --release -p voxlane-bench --manifest-path "$copy/Cargo.toml" --target-dir "$target"
    cp "$target/release/voxlane-bench" "$target/ahead-$ahead"
done

# Small pages: the kernel is asked not to give this process any other (prctl 41, PR_SET_THP_DISABLE).
small() {
    python3 -c 'import ctypes, os, sys; ctypes.CDLL(None).prctl(41, 1, 0, 0, 0); os.execvp(sys.argv[1], sys.argv[1:])' "$@"
}

grep -m1 'model name' /proc/cpuinfo
lscpu -C
for round in $(seq "$rounds"); do
    for ahead in 2048 0 1024 4096 8192; do
        for pages in huge small; do
            program=("$target/ahead-$ahead" limits "$recording" --rounds 10)
            share=$(if [ "$pages" = small ]; then small taskset -c "$core" "${program[@]}"; else
                taskset -c "$core" "${program[@]}"; fi | grep '^decode step')
            echo "round $round, ahead $ahead, $pages pages: $share"
        done
    done
done
