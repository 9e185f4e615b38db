"""Writes the four files of a checkpoint: weights, tokens, statistics, configuration."""

import json
import os

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
