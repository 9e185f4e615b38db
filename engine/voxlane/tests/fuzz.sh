#!/usr/bin/env bash
# Runs every parser of foreign bytes under libFuzzer and AddressSanitizer, from the seeds of tests/parsers.rs: 60 seconds
# each, or as many as the first argument says; further arguments name the targets. Needs a nightly toolchain. An input
# that does harm is kept in engine/voxlane/fuzz/artifacts and ends the script.
set -euo pipefail
cd "$(dirname "$0")/../../.."
seconds=${1:-60}
shift || true
command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked
targets=${*:-$(cd engine/voxlane/fuzz/fuzz_targets && basename -s .rs -- *.rs)}

seeds=$(mktemp -d)
trap 'rm -rf "$seeds"' EXIT
VOXLANE_SEEDS=$seeds cargo test -p voxlane --test parsers -- --ignored seeds_are_written
# The versions of the dependencies that are shipped.
cp Cargo.lock engine/voxlane/fuzz/Cargo.lock
build=${CARGO_TARGET_DIR:-target}/fuzz
unset CARGO_TARGET_DIR
for target in $targets; do
    echo "== $target, $seconds s"
    mkdir -p "engine/voxlane/fuzz/corpus/$target"
    # No field makes a parser ask for half a gigabyte at once.
    cargo +nightly fuzz run --fuzz-dir engine/voxlane/fuzz --target-dir "$build" "$target" \
        "engine/voxlane/fuzz/corpus/$target" "$seeds/$target" -- \
        -max_total_time="$seconds" -malloc_limit_mb=512 -rss_limit_mb=4096 -timeout=30 -max_len=65536 -print_final_stats=1
done
