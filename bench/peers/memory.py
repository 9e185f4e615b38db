"""Runs whole commands and prints their largest resident memory and their wall time, start-up included.

    memory.py [--rounds N] COMMAND [COMMAND]…

Each COMMAND is one argument in the shell's syntax. The commands take turns, first to last and back, so that what the
machine does to one it does to all. Memory is the kernel's high-water mark of the process (mapped files that were
read count).
"""

import argparse
import os
import shlex
import statistics
import subprocess
import time


def run(command):
    """(KiB, seconds) of one run."""
    start = time.perf_counter()
    process = subprocess.Popen(shlex.split(command), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    message = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status != 0:
        raise SystemExit(f"{command}: status {status}\n{message.decode(errors='replace')}")
    return usage.ru_maxrss, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="+")
    parser.add_argument("--rounds", type=int, default=5, help="two runs of each command a round")
    arguments = parser.parse_args()
    results = {command: [] for command in arguments.command}
    for _ in range(arguments.rounds):
        for command in [*arguments.command, *reversed(arguments.command)]:
            results[command].append(run(command))
    print(f"load {os.getloadavg()[0]:.1f}")
    for command, runs in results.items():
        memory = max(kib for kib, _ in runs) / 1024
        seconds = sorted(seconds for _, seconds in runs)
        print(
            f"{memory:7.1f} MiB  {statistics.median(seconds):6.2f} s "
            f"({seconds[0]:.2f} … {seconds[-1]:.2f}, n {len(runs)})  {command}"
        )


if __name__ == "__main__":
    main()
