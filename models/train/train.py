"""Trains the `commands` network on a store of features and keeps the best checkpoint.

Every `--evaluate` steps the averaged weights are evaluated and, where better, written to the
output folder; the trainer's own state goes beside that folder, for `--resume`.
"""

import argparse
import copy
import json
import math
import os
import random
import time

import numpy
import torch
from torchaudio.functional import rnnt_loss

import evaluate
import export
import mixture
import network
import vocabulary


class Streams(torch.utils.data.IterableDataset):
    """Batches of training streams, made in a worker process."""

    def __init__(self, arguments, seed: int, step: int = 0) -> None:
        self.arguments, self.seed, self.step = arguments, seed, step

    def __iter__(self):
        torch.set_num_threads(1)
        worker = torch.utils.data.get_worker_info()
        seed = self.seed * 1000 + (worker.id if worker else 0)
        shards = mixture.Shards(self.arguments.store)
        frames = self.arguments.frames + 4
        mixer = mixture.Mixer(shards, frames, seed, mixture.noise_bank())
        made = 0
        while True:
            ramp = min(1.0, (self.step + made) / max(1, self.arguments.gentle))
            hardness = self.arguments.hardness * ramp
            streams = [mixer.stream(hardness) for _ in range(self.arguments.batch)]
            features = numpy.stack([stream[0] for stream in streams]).astype(numpy.float32)
            marks = torch.from_numpy(numpy.stack([stream[2] for stream in streams]))
            yield torch.from_numpy(features), [stream[1] for stream in streams], marks
            made += 1
            if made % 60 == 0:
                shards.refresh()


def statistics(arguments) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and inverse standard deviation of the bands over some streams."""
    batches = iter(Streams(arguments, 12345))
    features = torch.cat([next(batches)[0] for _ in range(12)]).reshape(-1, network.MELS)
    return features.mean(0), 1.0 / features.std(0)


def losses(model, features, targets, marks, config, arguments, rnnt: bool, align: bool):
    """The RNN-T loss, with k2's penalty on late emission, the CTC loss, each a mean a stream, and
    the cross entropy of the CTC head against the rough alignment, words and blanks weighing alike."""
    blank = config["blank"]
    batch = len(targets)
    # Products in bfloat16 take half the time; the losses and the weights stay in float32.
    with torch.autocast("cpu", torch.bfloat16):
        encoded = model.encode(features)
    encoded = encoded.float()
    count = encoded.shape[1]
    lengths = torch.tensor([len(target) for target in targets], dtype=torch.int32)
    longest = max(1, int(lengths.max()))
    padded = torch.zeros(batch, longest, dtype=torch.int32)
    for row, target in enumerate(targets):
        padded[row, : len(target)] = torch.tensor(target, dtype=torch.int32)
    encoded_lengths = torch.full((batch,), count, dtype=torch.int32)
    heads = model.ctc(encoded).log_softmax(-1)
    cross = torch.zeros(())
    if align:
        each = -heads.gather(2, marks[:, :count].clamp(min=0)[..., None])[..., 0]
        word, pause = (marks[:, :count] >= 0) & (marks[:, :count] != blank), marks[:, :count] == blank
        cross = each[word].sum() / max(1, int(word.sum())) + each[pause].mean()
    ctc = torch.nn.functional.ctc_loss(
        heads.transpose(0, 1),
        padded.long(),
        encoded_lengths.long(),
        lengths.long(),
        blank=blank,
        reduction="sum",
        zero_infinity=True,
    )
    if not rnnt:
        return torch.zeros(()), ctc / batch, cross
    start = torch.full((batch, 1), blank, dtype=torch.int32)
    # With words missing behind it, the network must hear what is said, not conclude it from the rest;
    # else it says nothing of an order whose first words it missed.
    forgotten = torch.where(torch.rand(padded.shape) < arguments.forget, blank, padded)
    history = torch.cat([start, forgotten], dim=1).long()
    predicted, _, _ = model.predictor(history, lengths + 1, None)
    logits, _, _ = model.joiner(encoded, encoded_lengths, predicted, lengths + 1)
    scores = logits.log_softmax(-1)
    if arguments.delay_penalty > 0:
        early = arguments.delay_penalty * ((count - 1) / 2 - torch.arange(count, dtype=torch.float32))
        bonus = early[:, None, None].expand(count, 1, config["num_symbols"]).clone()
        bonus[..., blank] = 0
        scores = scores + bonus
    loss = rnnt_loss(
        scores, padded, encoded_lengths, lengths, blank=blank, reduction="sum", fused_log_softmax=False
    )
    return loss / batch, ctc / batch, cross


def score(figures: dict) -> float:
    """What the best checkpoint has least of: each figure in units of its target."""
    return (
        figures["orders"] / 5
        + figures["digits"] / 8
        + figures["wake_clips"] / 10
        + figures["letters"] / 80
        + max(figures["ordinary"], 0.3)
        + max(figures["noise"], 0.05) * 2
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("out", help="where the best checkpoint goes")
    evaluate.add_sets(parser)
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--resume", help="a checkpoint of this program, with its optimizer")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--frames", type=int, default=720)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--forget", type=float, default=0.15, help="share of words that the predictor is not told")
    parser.add_argument("--delay-penalty", type=float, default=0.006)
    parser.add_argument("--gentle", type=int, default=3000, help="first steps with less noise and no masks")
    parser.add_argument("--hardness", type=float, default=0.6, help="how often noise and rooms are added")
    parser.add_argument("--masks", type=float, default=0.6, help="share of streams with masks after `--gentle`")
    parser.add_argument("--ctc-only", type=int, default=3000, help="first steps without the RNN-T loss")
    parser.add_argument("--align", type=int, default=1200, help="first steps with rough alignments")
    parser.add_argument("--evaluate", type=int, default=400)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    config = network.configuration(vocabulary.num_symbols())
    model = network.Network(config, arguments.dropout)
    averaged = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=arguments.rate, betas=(0.9, 0.98), weight_decay=1e-3, fused=True
    )
    step, best = 0, math.inf
    saved = os.path.join(arguments.out, "..", "trainer.pt")
    if arguments.resume:
        blob = torch.load(arguments.resume)
        model.load_state_dict(blob["model"])
        averaged.load_state_dict(blob["averaged"])
        optimizer.load_state_dict(blob["optimizer"])
        step, best = blob["step"], blob["best"]
        mean, invstddev = blob["mean"], blob["invstddev"]
    else:
        mean, invstddev = statistics(arguments)
    torch.set_num_threads(arguments.threads)  # making the statistics set it to one
    print(f"{sum(p.numel() for p in model.parameters())} weights", flush=True)
    loader = torch.utils.data.DataLoader(
        Streams(arguments, arguments.seed + step, step), batch_size=None, num_workers=1, prefetch_factor=3
    )
    sets = None
    rng = random.Random(arguments.seed + step)
    printed = time.time()
    first = step
    sums = numpy.zeros(4)
    for features, targets, marks in loader:
        progress = step / arguments.steps
        rate = arguments.rate * min(1.0, (step - first + 1) / (60 if first else 200))
        rate *= 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * progress))
        for group in optimizer.param_groups:
            group["lr"] = rate
        features = (features - mean) * invstddev
        if step >= arguments.gentle:
            for row in features:
                if rng.random() < arguments.masks:
                    mixture.masked(row, rng)
        model.train()
        joint = step >= arguments.ctc_only
        # The alignment is rough: its weight fades out.
        trust = max(0.0, 1.0 - step / arguments.align)
        rnnt, ctc, cross = losses(
            model, features, targets, marks, config, arguments, joint, trust > 0
        )
        # Without words to hold on to, both other losses first learn to say nothing.
        loss = 20 * trust * cross + (rnnt + 0.3 * ctc if joint else ctc)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 20.0)
        optimizer.step()
        step += 1
        keep = min(0.998, step / (step + 20))
        with torch.no_grad():
            for slow, fast in zip(averaged.parameters(), model.parameters()):
                slow.lerp_(fast, 1 - keep)
        sums += [float(rnnt.detach()), float(ctc.detach()), 1, float(cross.detach())]
        if step % 20 == 0:
            now = time.time()
            print(
                f"{time.strftime('%H:%M:%S')} step {step} rnnt {sums[0] / sums[2]:.3f} "
                f"ctc {sums[1] / sums[2]:.3f} cross {sums[3] / sums[2]:.3f} rate {rate:.5f} "
                f"audio {sums[2] * arguments.batch * arguments.frames / 100 / (now - printed):.0f}x",
                flush=True,
            )
            printed, sums = now, numpy.zeros(4)
        done = step >= arguments.steps
        if done or step % arguments.evaluate == 0:
            if sets is None:
                sets = evaluate.Sets(
                    arguments.commands, arguments.wakewords, arguments.alnum, arguments.ordinary
                )
            figures = evaluate.evaluate(averaged, mean, invstddev, sets)
            value = score(figures)
            text = " ".join(f"{name} {figure:.2f}" for name, figure in figures.items())
            print(f"{time.strftime('%H:%M:%S')} step {step} EVAL {value:.3f}: {text}", flush=True)
            if value < best:
                best = value
                export.write_checkpoint(
                    arguments.out, averaged.state_dict(), config, mean.tolist(), invstddev.tolist()
                )
                with open(os.path.join(arguments.out, "commands.figures.json"), "w") as file:
                    json.dump({"step": step, **figures}, file, indent=1)
            blob = {
                "model": model.state_dict(),
                "averaged": averaged.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step,
                "best": best,
                "mean": mean,
                "invstddev": invstddev,
            }
            export.atomically(saved, lambda path: torch.save(blob, path))
            printed = time.time()
        if done:
            break


if __name__ == "__main__":
    main()
