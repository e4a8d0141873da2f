"""Where distances are computed: on the cores of a worker, or on its accelerator.

PyTorch is imported only when it is used, because it is large and slow to load.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from survey.distances.engines.device import Arrays
from survey.errors import ConfigError

Device = Literal["auto", "cpu", "cuda"]
T = TypeVar("T")

DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Files of the drivers of NVIDIA, of AMD, and of the Windows Subsystem for Linux."""

MIN_MULTIPLICATIONS = 1e11
"""Below this many multiplications the CPU finishes before a GPU has started."""


def try_devices(device: Device, multiplications: float, compute: Callable[[Arrays | None], T]) -> T:
    """Call `compute` with the arrays of a device, or None for the cores.

    With "auto", an accelerator is used where there is one and the work is large; the cores do
    what does not fit into its memory.

    Raises
    ------
    ConfigError
        If `device` is "cuda" and there is none.
    """
    arrays = None
    if device == "cuda":
        arrays = _torch_on_cuda()
        if arrays is None:
            raise ConfigError(
                'engine.device = "cuda" cannot be used',
                expected="PyTorch and a CUDA device on every worker",
                found="none on this worker",
                advice='Set engine.device = "auto" to compute on the cores where there is none.',
            )
    elif device == "auto" and multiplications >= MIN_MULTIPLICATIONS and _has_driver():
        arrays = _torch_on_cuda()
    try:
        return compute(arrays)
    except Exception as error:
        if device == "auto" and arrays is not None and _is_out_of_memory(error):
            return compute(None)
        raise


class TorchArrays:
    """Arrays of PyTorch on one of its devices.

    Parameters
    ----------
    name : str
        As PyTorch calls the device: "cuda", or "cpu" to test without one.
    """

    def __init__(self, name: str) -> None:
        import array_api_compat.torch as xp
        import torch

        # Shorter mantissas than float32 has, which are faster, are not good enough.
        torch.set_float32_matmul_precision("highest")
        self.name = name
        self.xp: Any = xp
        self._torch: Any = torch

    def put(self, values: npt.NDArray[Any]) -> Any:
        """A copy on the device."""
        return self._torch.tensor(np.ascontiguousarray(values), device=self.name)

    def get(self, array: Any) -> npt.NDArray[Any]:
        """A copy in NumPy."""
        return array.cpu().numpy()


def _torch_on_cuda() -> Arrays | None:
    if any(importlib.util.find_spec(name) is None for name in ("torch", "array_api_compat")):
        return None
    import torch

    return TorchArrays("cuda") if torch.cuda.is_available() else None


def _has_driver() -> bool:
    return any(Path(driver).exists() for driver in DRIVERS)


def _is_out_of_memory(error: Exception) -> bool:
    # PyTorch's class, without PyTorch.
    return type(error).__name__ == "OutOfMemoryError"
