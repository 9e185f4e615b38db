"""Writes the four files of a checkpoint: weights, tokens, statistics, configuration.

Run as a program it makes of a checkpoint what is shipped, with weights of 16 bits:
`export.py WORK/out ../assets`.
"""

import argparse
import json
import os
import shutil

import torch

import vocabulary


def atomically(path: str, write) -> None:
    """Calls `write` with a temporary path, then moves it to `path`."""
    temporary = path + ".part"
    write(temporary)
    os.replace(temporary, path)


def write_checkpoint(folder: str, state: dict, config: dict, mean: list, invstddev: list) -> None:
    """`commands.pt` comes last: who sees a new one sees the files that go with it."""

    def text(value):
        def write(path):
            with open(path, "w") as file:
                json.dump(value, file, indent=1)

        return write

    def tokens(path):
        with open(path, "wb") as file:
            file.write(vocabulary.sentencepiece_model())

    state = {name: value.detach().float().clone() for name, value in state.items()}
    atomically(os.path.join(folder, "commands.model"), tokens)
    atomically(
        os.path.join(folder, "commands.stats.json"), text({"mean": mean, "invstddev": invstddev})
    )
    atomically(os.path.join(folder, "commands.config.json"), text(config))
    atomically(os.path.join(folder, "commands.pt"), lambda path: torch.save(state, path))


def ship(arguments) -> None:
    """Copies a checkpoint with its weights as half-precision numbers."""
    state = torch.load(os.path.join(arguments.source, "commands.pt"))
    if arguments.blend:
        other = torch.load(arguments.blend)["averaged"]
        state = {name: torch.lerp(value, other[name], arguments.share) for name, value in state.items()}
    bias = state["joiner.linear.bias"]
    bias[-1] -= arguments.blank_penalty  # the blank is the last symbol
    for word in vocabulary.DIGITS:
        bias[1 + vocabulary.words().index(word)] += arguments.digit_bonus
    state = {name: value.half() for name, value in state.items()}
    for name in ("commands.model", "commands.stats.json", "commands.config.json"):
        shutil.copyfile(os.path.join(arguments.source, name), os.path.join(arguments.folder, name))
    path = os.path.join(arguments.folder, "commands.pt")
    atomically(path, lambda path: torch.save(state, path))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("folder")
    parser.add_argument("--blend", help="a trainer's state whose averaged weights are mixed in")
    parser.add_argument("--share", type=float, default=0.4, help="of the weights of `--blend`")
    parser.add_argument("--blank-penalty", type=float, default=0.0, help="taken from the blank's logit")
    parser.add_argument("--digit-bonus", type=float, default=0.0, help="given to the logits of digits")
    ship(parser.parse_args())
