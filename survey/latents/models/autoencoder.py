"""The transformer autoencoder of counts, with the interface of all representations.

After "Extracting latent representations from X-ray spectra" (Chandra Source Catalog): a transformer
compresses a spectrum to eight latents. There, encoder and loss use the same spectrum. Here the
encoder sees a thinned spectrum, and the loss is the likelihood of the remaining counts. So it
learns to remove noise without knowing the truth. Latents are those that the decoder makes most
probable, which the encoder's are a first guess of (`survey.latents.models.transformer.posterior`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from survey.config import fingerprint
from survey.errors import ConfigError
from survey.latents.grid import Floats
from survey.latents.models.base import Arrays, Representation
from survey.latents.spectra import Kind, SpectrumSet

if TYPE_CHECKING:
    from survey.latents.models.transformer.network import Architecture, Batch, SpectrumNetwork
    from survey.latents.models.transformer.posterior import Prior
    from survey.latents.models.transformer.training import Epoch

ENCODE_AT_ONCE = 2048
LEAST_PHOTONS = 1e-2
"""Of the mean of the mean source, added to it: nowhere are photons impossible."""

FORMER_LAYERS = {
    "before_attention.": "norm1.",
    "query_key_value.": "self_attn.in_proj_",
    "attended.": "self_attn.out_proj.",
    "before_inner.": "norm2.",
    "inner.0.": "linear1.",
    "inner.2.": "linear2.",
}
"""Parts of the encoder layers of earlier versions, and what they are in those of torch."""


class TransformerAutoencoder(Representation):
    """Latents of counts by a transformer encoder, shapes by a decoder; needs the extra `latent`.

    Parameters
    ----------
    n_latents : int
    patch : int
        Bins of a token; None takes 8, or as many as make 64 tokens.
    width, layers, heads : int
        Of the encoder: numbers per token, layers, and heads of attention.
    hidden : int
        Width of the decoder.
    components : int
        Positive components whose mixture is the shape of counts.
    epochs, batch : int
        Passes over the spectra, at most; spectra per step.
    learning_rate, weight_decay : float
        Of AdamW; the rate rises, then falls as a cosine.
    thin_to : float
        Counts down to which spectra are thinned in training.
    hide : float
        Share of the patches hidden in half of the spectra.
    validation : float
        Share of the sources that judges the training and is not trained on.
    patience : int
        Training ends when so many epochs bring nothing.
    threads : int
        Of torch on a CPU.
    device : str
        "auto" takes a GPU when there is one.
    seed : int

    Attributes
    ----------
    network_ : SpectrumNetwork
    prior_ : Prior or None
        Of latents; None for models of earlier versions, whose latents are the encoder's.
    history_ : list of dict
        How each epoch went: see `survey.latents.models.transformer.training.Epoch`.
    """

    name: ClassVar[str] = "autoencoder"
    weights_file: ClassVar[str] = "weights.safetensors"
    kinds: ClassVar[tuple[Kind, ...]] = ("counts",)

    network_: SpectrumNetwork
    prior_: Prior | None
    history_: list[dict[str, Any]]

    def __init__(
        self,
        n_latents: int = 8,
        *,
        patch: int | None = None,
        width: int = 64,
        layers: int = 2,
        heads: int = 4,
        hidden: int = 128,
        components: int = 48,
        epochs: int = 40,
        batch: int = 128,
        learning_rate: float = 3e-3,
        weight_decay: float = 1e-2,
        thin_to: float = 40.0,
        hide: float = 0.1,
        validation: float = 0.1,
        patience: int = 10,
        threads: int = 1,
        device: Literal["auto", "cpu", "cuda"] = "auto",
        seed: int = 0,
    ) -> None:
        self.n_latents = n_latents
        self.patch = patch
        self.width = width
        self.layers = layers
        self.heads = heads
        self.hidden = hidden
        self.components = components
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.thin_to = thin_to
        self.hide = hide
        self.validation = validation
        self.patience = patience
        self.threads = threads
        self.device = device
        self.seed = seed

    def _learn(
        self,
        spectra: SpectrumSet,
        *,
        checkpoint: str | Path | None = None,
        progress: Callable[[Epoch], None] = lambda epoch: None,
        **options: Any,
    ) -> None:
        """Train. `checkpoint` is a folder to go on from; `progress` is called with every epoch."""
        require_torch()
        import torch

        from survey.latents.models.transformer.training import (
            Schedule,
            pick_device,
            quiet_torch,
            train,
        )

        judges = _some_sources(spectra, self.validation, self.seed)
        with quiet_torch(self.threads):
            device = pick_device(self.device)
            torch.manual_seed(self.seed)
            network = self._build().to(device)
            whole = self._batch(spectra, folded=True).to(device)
            data = whole.rows(torch.from_numpy(~judges).to(device))
            kept_out = whole.rows(torch.from_numpy(judges).to(device)) if judges.any() else None
            schedule = Schedule(
                self.epochs, self.batch, self.learning_rate, self.weight_decay,
                self.thin_to, self.hide, self.patience, self.seed,
            )  # fmt: skip
            state = train(
                network, data, kept_out, schedule,
                fingerprint=self._fingerprint(spectra),
                checkpoint=None if checkpoint is None else Path(checkpoint),
                progress=progress,
            )  # fmt: skip
            self.network_ = network.cpu().eval()
        self.history_ = [asdict(epoch) for epoch in state.history]
        self._standardise(spectra)

    def _standardise(self, spectra: SpectrumSet) -> None:
        """Give latents mean zero and standard deviation one over the spectra learned from.

        First those of the encoder, whose distribution becomes the prior; then, with that, those
        that are most probable.
        """
        from survey.latents.models.transformer.posterior import Prior

        self.prior_ = None
        self._scale(self._encode(spectra))
        prior = Prior.of(self._encode(spectra))
        self.prior_ = prior
        self.prior_ = prior.scaled(*self._scale(self._encode(spectra)))

    def _scale(self, latents: Floats) -> tuple[Floats, Floats]:
        """Scale latents so that these have mean zero and deviation one; what they had (k,)."""
        import torch

        mean, std = latents.mean(axis=0), np.maximum(latents.std(axis=0, ddof=1), 1e-6)
        network = self.network_
        network.latent_mean += network.latent_std * torch.tensor(mean, dtype=torch.float32)
        network.latent_std *= torch.tensor(std, dtype=torch.float32)
        return mean, std

    def _architecture(self, *, photons: bool) -> Architecture:
        from survey.latents.models.transformer.network import Architecture

        n_bins = len(self.grid_)
        patch = max(8, -(-n_bins // 64)) if self.patch is None else self.patch
        return Architecture(
            n_bins, self.n_latents, patch, self.width, self.layers, self.heads,
            self.hidden, self.components,
            n_energies=len(self.response_.energies) if self.response_ and photons else 0,
        )  # fmt: skip

    def _build(self, *, photons: bool = True) -> SpectrumNetwork:
        import torch

        from survey.latents.models.transformer.network import SpectrumNetwork

        arrays = (self.grid_.centres, self.mean_shape_)
        centres, shape = (torch.tensor(array, dtype=torch.float32) for array in arrays)
        mean = None
        if self.response_ is not None and photons:
            smooth = self.response_.photons + LEAST_PHOTONS * self.response_.photons.mean()
            mean = torch.tensor(smooth / smooth.sum(), dtype=torch.float32)
        return SpectrumNetwork(self._architecture(photons=photons), centres, shape, mean)

    def _batch(self, spectra: SpectrumSet, *, folded: bool = False) -> Batch:
        """Spectra as tensors; `folded`: with their responses, which the encoder does not need."""
        import torch

        from survey.latents.models.transformer.network import Batch
        from survey.latents.models.transformer.responses import Responses

        expected = np.where(spectra.mask, self.background_.expected(spectra), 0.0)
        parts = (spectra.values, expected, spectra.mask, self.relative(spectra))
        counts, background, mask, relative = (
            torch.tensor(part, dtype=torch.float32) for part in parts
        )
        batch = Batch(counts, background, mask, relative)
        if not folded or self.response_ is None:
            return batch
        folding, numbers = self.response_.folding_of(spectra)
        unit_cm2 = float(self.response_.photons @ self.response_.matrix.sum(axis=1))
        batch.response = torch.from_numpy(numbers.copy())
        batch.responses = Responses(folding, unit_cm2)
        return batch

    def _encode(self, spectra: SpectrumSet) -> Floats:
        import torch

        from survey.latents.models.transformer.posterior import most_probable
        from survey.latents.models.transformer.training import quiet_torch

        found = [np.empty((0, self.n_latents))]
        with quiet_torch(self.threads), torch.no_grad():
            for start in range(0, len(spectra), ENCODE_AT_ONCE):
                some = np.arange(start, min(start + ENCODE_AT_ONCE, len(spectra)))
                batch = self._batch(spectra.rows(some), folded=self._decodes_photons)
                latents = self.network_.encode(batch)
                if self.prior_ is not None:
                    latents = most_probable(self.network_, batch, latents, self.prior_)
                found.append(latents.numpy())
        return np.concatenate(found)

    def _decode(self, latents: Floats) -> Floats:
        """Shapes; of a decoder of photons, through the mean response."""
        shape = np.exp(self._decoded(latents))
        if self._decodes_photons:
            assert self.response_ is not None
            shape = shape @ self.response_.matrix
        return np.asarray(shape / shape.sum(axis=1, keepdims=True))

    def seen_shapes(self, spectra: SpectrumSet, latents: Floats) -> Floats:
        """Expected shapes (n, p): photons of the latents, folded by each response."""
        if not self._decodes_photons:
            return super().seen_shapes(spectra, latents)
        assert self.response_ is not None
        folding, numbers = self.response_.folding_of(spectra)
        shape = folding.fold(np.exp(self._decoded(latents)), numbers)
        return np.asarray(shape / shape.sum(axis=1, keepdims=True))

    @property
    def _decodes_photons(self) -> bool:
        return self.network_.architecture.n_energies > 0

    def _decoded(self, latents: Floats) -> Floats:
        """What the network itself makes of latents."""
        import torch

        from survey.latents.models.transformer.training import quiet_torch

        with quiet_torch(self.threads), torch.no_grad():
            found = self.network_.decode(torch.tensor(latents, dtype=torch.float32))
        return np.asarray(found.numpy().astype(np.float64))

    def _fingerprint(self, spectra: SpectrumSet) -> str:
        from catalogs.durable import hash_bytes

        parts: list[Any] = [spectra.values, spectra.mask, spectra.background]
        if self.response_ is not None:
            folding, numbers = self.response_.folding_of(spectra)
            parts += [folding.matrices.data, folding.matrices.indices, numbers]
        content = [hash_bytes(part.tobytes()) for part in parts]
        changes_nothing = {"threads", "device"}
        settings = {k: v for k, v in self.get_params().items() if k not in changes_nothing}
        return fingerprint(settings, content, spectra.grid.edges.tolist())

    def arrays(self) -> Arrays:
        """Weights and buffers of the network."""
        weights = {name: value.numpy() for name, value in self.network_.state_dict().items()}
        return weights if self.prior_ is None else weights | self.prior_.arrays()

    def restore(self, arrays: Arrays) -> None:
        """Make the network of its weights."""
        require_torch()
        import torch

        from survey.latents.models.transformer.posterior import Prior

        arrays = _by_present_names(arrays)
        self.prior_ = Prior.taken_from(arrays)
        # Models made before photons were decoded go on decoding counts.
        self.network_ = self._build(photons="photons" in arrays).eval()
        weights = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
        try:
            self.network_.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(str(error)) from None

    def facts(self) -> dict[str, Any]:
        """How training went."""
        import torch

        return {"history": self.history_, "torch": torch.__version__}

    def remember(self, facts: dict[str, Any]) -> None:
        """Take it back."""
        self.history_ = list(facts["history"])


def _by_present_names(arrays: Arrays) -> Arrays:
    """Weights by the names they have now, of models of earlier versions."""
    from survey.latents.models.transformer.network import FORMER_BUFFER

    renamed = {}
    for name, value in arrays.items():
        if name.startswith("blocks."):
            for former, present in FORMER_LAYERS.items():
                name = name.replace(f".{former}", f".{present}")
        if name != FORMER_BUFFER:
            renamed[name] = value
    return renamed


def _some_sources(spectra: SpectrumSet, share: float, seed: int) -> np.ndarray:
    """A share of the sources (n,), with all their spectra; none if it makes less than eight."""
    sources = np.unique(spectra.sources)
    n_chosen = int(share * len(sources))
    if n_chosen < 8:
        return np.zeros(len(spectra), dtype=bool)
    chosen = np.random.default_rng(seed).permutation(sources)[:n_chosen]
    return np.isin(spectra.sources, chosen)


def require_torch() -> None:
    """Refuse to go on where torch, or what its weights are kept by, is not installed."""
    missing = [name for name in ("torch", "safetensors") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"the autoencoder needs {' and '.join(missing)}",
            advice="Install with: pip install 'spaxel-survey[latent]', or take pca or nmf.",
        )
