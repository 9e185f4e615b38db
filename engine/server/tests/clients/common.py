"""What the scripts beside this file have in common: arguments, an environment with pinned packages, counted checks, `voxlane`."""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

# Longer than anything takes on a busy machine.
LONG = 120
INSIDE = "VOXLANE_CLIENT_TEST"


def main(description, packages, check, more=()):
    """Calls `check(options, files, checks)` with the packages at hand, prints what came of it, and exits."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--voxlane", type=Path, required=True)
    parser.add_argument("--model", default="moonshine-tiny")
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--venv", type=Path)
    for name, settings in more:
        parser.add_argument(name, **settings)
    options = parser.parse_args()
    if not os.environ.get(INSIDE):
        if options.venv:
            sys.exit(inside_venv(options.venv, packages))
        with tempfile.TemporaryDirectory() as folder:
            sys.exit(inside_venv(Path(folder), packages))
    files = sorted(file for file in options.folder.iterdir() if file.suffix in (".flac", ".wav"))[: options.clips]
    if not files:
        sys.exit(f"{options.folder}: holds no recordings (expected .flac or .wav)")
    checks = Checks()
    check(options, files, checks)
    print(f"{Path(sys.argv[0]).stem}: {len(files)} clips, {checks.done} checks, {checks.failed} failed")
    sys.exit(1 if checks.failed else 0)


def inside_venv(folder, packages):
    """Runs the script once more with the pinned packages."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages], check=True)
    return subprocess.run([python, *sys.argv], env={**os.environ, INSIDE: "1"}).returncode


class Checks:
    def __init__(self):
        self.done, self.failed = 0, 0

    def equal(self, what, found, expected):
        self.done += 1
        if found != expected:
            self.failed += 1
            print(f"{what}:\n  expected {expected!r}\n  found    {found!r}")

    def true(self, what, holds):
        self.equal(what, bool(holds), True)


class Voxlane:
    """The program that is tested."""

    def __init__(self, options):
        self.program, self.model = options.voxlane, options.model

    def run(self, *words):
        command = [self.program, words[0], "--offline", "--model", self.model, *words[1:]]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"voxlane {' '.join(map(str, words))}: {done.stderr}")
        return done.stdout

    def transcribed(self, file, form):
        """What `voxlane transcribe` says of a recording."""
        return self.run("transcribe", "--format", form, file)

    def finals(self, file, *words):
        """The texts of the finals of `voxlane live`."""
        lines = self.run("live", *words, "--pace", "fast", "--format", "json", "--input", file).splitlines()
        return [event["text"].strip() for event in map(json.loads, lines) if event["type"] == "final"]

    def serve(self, *words):
        """`voxlane serve`, with its address."""
        command = [self.program, "serve", "--offline", "--model", self.model, "--listen", "127.0.0.1:0", *words]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = process.stdout.readline()
        if not line.startswith("listening on "):
            sys.exit(f"voxlane serve: {line!r}")
        return process, line.split()[-1]


def stop(process, checks):
    """Ends a server, which must say that all is well."""
    process.send_signal(signal.SIGTERM)
    checks.equal("exit code", process.wait(LONG), 0)
