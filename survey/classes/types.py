"""Types of arrays, and the value for "no label"."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]
Labels = NDArray[np.int32]
"""Positions in a tuple of class names, or `UNLABELLED`."""

UNLABELLED = -1
