#!/usr/bin/env bash
# Runs the tests of the runtime and the library under ThreadSanitizer (rings, wake-ups, pools, chains, sessions and supervision,
# with the toy model), and its lock-free parts under miri. Needs a nightly toolchain; takes several minutes, so it is not part of CI.
set -euo pipefail
cd "$(dirname "$0")/../../.."
rustup +nightly component add rust-src miri

echo "ThreadSanitizer"
RUSTFLAGS="-Zsanitizer=thread" RUST_BACKTRACE=0 \
    cargo +nightly test -Zbuild-std --target "$(rustc -vV | sed -n 's/^host: //p')" -p voxlane --no-default-features \
    --lib --test session --test lifecycle --test supervision

RUSTFLAGS="-Zsanitizer=thread" RUST_BACKTRACE=0 \
    cargo +nightly test -Zbuild-std --target "$(rustc -vV | sed -n 's/^host: //p')" -p voxlane-runtime --lib --test chain

echo "miri"
# membarrier and futexes are missing there: both sides use fences.
export MIRIFLAGS="-Zmiri-disable-isolation"
cargo +nightly miri test -p voxlane-runtime --lib -- --skip host:: --skip clock:: --skip telemetry:: --skip lane:: --skip supervisor::
cargo +nightly miri test -p voxlane --no-default-features --lib -- decode_options:: settings:: slot_state:: tail::
