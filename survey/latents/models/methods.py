"""All representations, by name."""

from __future__ import annotations

from typing import Any

from survey.errors import ConfigError
from survey.latents.models.autoencoder import TransformerAutoencoder
from survey.latents.models.base import Representation
from survey.latents.models.hardness import HardnessRatios
from survey.latents.models.nmf import SpectralNMF
from survey.latents.models.pca import SpectralPCA
from survey.latents.models.physical import PhysicalFit

METHODS: dict[str, type[Representation]] = {
    method.name: method
    for method in (HardnessRatios, PhysicalFit, SpectralPCA, SpectralNMF, TransformerAutoencoder)
}


def make_representation(name: str, **parameters: Any) -> Representation:
    """A representation of this name; parameters it does not have are left out if None.

    Raises
    ------
    ConfigError
        If there is no such method, or it has no such parameter.
    """
    if name not in METHODS:
        raise ConfigError("unknown representation", expected=", ".join(METHODS), found=repr(name))
    given = {key: value for key, value in parameters.items() if value is not None}
    try:
        return METHODS[name](**given)
    except TypeError as error:
        raise ConfigError(f"{name} cannot be made like this: {error}") from None
