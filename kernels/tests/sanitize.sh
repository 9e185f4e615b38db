#!/bin/sh
# Runs the kernels' tests under miri (scalar paths) and AddressSanitizer (every instruction set of this machine).
# Needs the nightly toolchain with miri: rustup +nightly component add miri rust-src
# Not part of the continuous checks: miri takes many minutes.
set -eu
cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')

echo "AddressSanitizer"
RUSTFLAGS="-Zsanitizer=address" cargo +nightly test --target "$host" --tests "$@"

echo "miri"
# Detection sees no vector instructions under miri, so that all tests take the scalar paths.
MIRIFLAGS="-Zmiri-disable-isolation" cargo +nightly miri test --tests "$@"
