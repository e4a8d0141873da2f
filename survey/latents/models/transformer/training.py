"""Training: epochs of steps, validation, the best weights, and checkpoints.

Random numbers of an epoch follow from the seed and the number of the epoch, so an interrupted and
continued training ends with the same weights as an uninterrupted one.

This module needs torch, and is imported only when a network is used.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from catalogs.durable import replacing
from survey.errors import ConfigError
from survey.latents.models.transformer.augmentation import hide_patches, random_share, split_batch
from survey.latents.models.transformer.losses import poisson_loss
from survey.latents.models.transformer.network import FORMER_BUFFER, Batch, SpectrumNetwork

WARM_UP = 0.1
"""Share of the steps in which the learning rate rises; it then falls as a cosine."""

LARGEST_GRADIENT = 1.0
BETAS = (0.9, 0.98)
TENSORS_FILE = "state.safetensors"
VALIDATION_EPOCH = -1


@dataclass(frozen=True)
class Schedule:
    """How to train; the meanings are those of `TransformerAutoencoder`."""

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    thin_to: float
    hide: float
    patience: int
    seed: int


@dataclass(frozen=True)
class Epoch:
    """How an epoch went. Losses are means; `validation` is None where there is none."""

    number: int
    of: int
    loss: float
    validation: float | None
    seconds: float


@dataclass
class State:
    """The state of a training, besides its weights."""

    done: int = 0
    best: float = math.inf
    best_epoch: int = 0
    history: list[Epoch] = field(default_factory=list)

    def should_stop(self, schedule: Schedule) -> bool:
        """Whether all epochs are done, or the last ones brought nothing."""
        return self.done >= schedule.epochs or self.done - self.best_epoch >= schedule.patience


@contextmanager
def quiet_torch(threads: int) -> Iterator[None]:
    """Limit torch to some threads, and leave its settings and random numbers as they were."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(before)


def pick_device(name: str) -> torch.device:
    """The device of this name; "auto" is a GPU when there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        message = str(error).splitlines()[0]
        raise ConfigError("unknown device", expected="cpu, cuda or auto", found=message) from None


def train(
    network: SpectrumNetwork,
    data: Batch,
    validation: Batch | None,
    schedule: Schedule,
    *,
    fingerprint: str,
    checkpoint: Path | None = None,
    progress: Callable[[Epoch], None] = lambda epoch: None,
) -> State:
    """Train a network in place; it ends with the best weights of all epochs.

    Parameters
    ----------
    network : SpectrumNetwork
    data, validation : Batch
        On the device of the network. Without `validation` the last weights are kept.
    schedule : Schedule
    fingerprint : str
        Of data and settings: a checkpoint of another training is refused.
    checkpoint : Path, optional
        Folder to which the state is written after each epoch, and from which training goes on.
    progress : callable
        Called with every epoch.

    Raises
    ------
    ConfigError
        If the checkpoint is of another training, or damaged.
    """
    optimizer = torch.optim.AdamW(
        network.parameters(), schedule.learning_rate, betas=BETAS,
        weight_decay=schedule.weight_decay,
    )  # fmt: skip
    state, best = State(), _weights(network)
    if checkpoint is not None and (checkpoint / TENSORS_FILE).exists():
        state, best = _load(checkpoint, network, optimizer, fingerprint)
    while not state.should_stop(schedule):
        start = time.perf_counter()
        loss = _train_epoch(network, optimizer, data, schedule, state.done)
        judged = None if validation is None else validate(network, validation, schedule.seed)
        state.done += 1
        if judged is None or judged < state.best:
            state.best = math.inf if judged is None else judged
            state.best_epoch = state.done
            best = _weights(network)
        epoch = Epoch(state.done, schedule.epochs, loss, judged, time.perf_counter() - start)
        state.history.append(epoch)
        if checkpoint is not None:
            _save(checkpoint, network, optimizer, state, best, fingerprint)
        progress(epoch)
    network.load_state_dict(best)
    return state


def _train_epoch(
    network: SpectrumNetwork, optimizer: torch.optim.Optimizer, data: Batch,
    schedule: Schedule, number: int,
) -> float:  # fmt: skip
    network.train()
    patch = network.architecture.patch
    generator = _generator(schedule.seed, number, data.counts.device)
    order = torch.randperm(len(data), generator=generator, device=data.counts.device)
    batches = order.split(schedule.batch)
    total = 0.0
    for k, which in enumerate(batches):
        _set_rate(optimizer, schedule, number * len(batches) + k, schedule.epochs * len(batches))
        whole = data.rows(which)
        share = random_share(whole, schedule.thin_to, generator)
        kept, rest = split_batch(whole, share, generator)
        kept = hide_patches(kept, patch, schedule.hide, generator)
        losses = poisson_loss(network.decode(network.encode(kept)), rest)
        optimizer.zero_grad(set_to_none=True)
        losses.mean().backward()
        nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
        optimizer.step()
        total += float(losses.detach().sum())
    return total / len(data)


def _set_rate(optimizer: torch.optim.Optimizer, schedule: Schedule, step: int, of: int) -> None:
    warm = max(1.0, WARM_UP * of)
    if step < warm:
        factor = (step + 1) / (warm + 1)
    else:
        factor = 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1.0, of - warm)))
    for group in optimizer.param_groups:
        group["lr"] = schedule.learning_rate * factor


@torch.no_grad()
def validate(network: SpectrumNetwork, data: Batch, seed: int, batch: int = 1024) -> float:
    """Mean loss of predicting one half of each spectrum from the other, the same ones always."""
    network.eval()
    generator = _generator(seed, VALIDATION_EPOCH, data.counts.device)
    total = 0.0
    for which in torch.arange(len(data), device=data.counts.device).split(batch):
        whole = data.rows(which)
        half = torch.full_like(whole.counts[:, :1], 0.5)
        kept, rest = split_batch(whole, half, generator)
        total += float(poisson_loss(network.decode(network.encode(kept)), rest).sum())
    return total / len(data)


def _generator(seed: int, epoch: int, device: torch.device) -> torch.Generator:
    # A prime apart, so that no epoch of one seed has the numbers of one of another.
    return torch.Generator(device=device).manual_seed(1_000_003 * (seed + 1) + epoch + 1)


def _weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def _save(
    folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer, state: State,
    best: dict[str, Tensor], fingerprint: str,
) -> None:  # fmt: skip
    """Write everything as one file, moved into place when it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"now/{name}": value for name, value in _weights(network).items()}
    tensors |= {f"best/{name}": value for name, value in best.items()}
    for number, values in optimizer.state_dict()["state"].items():
        tensors |= {f"adam/{number}/{name}": value for name, value in values.items()}
    metadata = {"fingerprint": fingerprint, "state": json.dumps(asdict(state))}
    with replacing(folder / TENSORS_FILE) as unfinished:
        save_file(
            {name: value.contiguous() for name, value in tensors.items()}, unfinished, metadata
        )


def _load(
    folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer, fingerprint: str
) -> tuple[State, dict[str, Tensor]]:
    from safetensors import safe_open

    file = folder / TENSORS_FILE
    advice = "Remove the checkpoint, or give another folder for it."
    try:
        with safe_open(file, "pt") as opened:
            metadata = opened.metadata() or {}
        tensors = load_file(file)
        if metadata.get("fingerprint") != fingerprint:
            raise ConfigError(
                "the checkpoint is of another training", file=file, expected=fingerprint,
                found=str(metadata.get("fingerprint")), advice=advice,
            )  # fmt: skip
        kept: dict[str, Any] = json.loads(metadata["state"])
        adam: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("adam/"):
                _, number, quantity = name.split("/")
                adam.setdefault(int(number), {})[quantity] = value
        network.load_state_dict(_part(tensors, "now/"))
        optimizer.load_state_dict(
            {"state": adam, "param_groups": optimizer.state_dict()["param_groups"]}
        )
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise ConfigError(
            "damaged checkpoint", file=file, found=str(error), advice=advice
        ) from None
    history = [Epoch(**epoch) for epoch in kept.pop("history")]
    device = next(network.parameters()).device
    best = {name: value.to(device) for name, value in _part(tensors, "best/").items()}
    return State(**kept, history=history), best


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin like this, without that and what is not used any more."""
    part = {n.removeprefix(prefix): value for n, value in tensors.items() if n.startswith(prefix)}
    part.pop(FORMER_BUFFER, None)
    return part
