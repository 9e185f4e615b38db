#!/bin/sh
# Runs the kernels' tests for aarch64 under emulation.
# Needs: rustup target add aarch64-unknown-linux-gnu; Debian packages gcc-aarch64-linux-gnu and qemu-user.
set -eu
cd "$(dirname "$0")/.."
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
cargo test --target aarch64-unknown-linux-gnu --tests "$@"
