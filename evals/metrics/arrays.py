"""What the kernels share: names of array types, and a division that says NaN where there is nothing to divide by."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]
Labels = NDArray[np.bool_] | NDArray[np.integer[Any]] | NDArray[np.floating[Any]]
"""Numbers of any kind: 0/1, counts or weights."""


def ratio(above: Labels, below: Labels | float, where: Bools | None = None) -> Floats:
    """above / below [n], NaN where below is 0 or `where` is False."""
    divisor = np.broadcast_to(np.asarray(below, dtype=np.float64), above.shape)
    able = divisor != 0 if where is None else where & (divisor != 0)
    out: Floats = np.full(above.shape, np.nan)
    np.divide(above, divisor, out=out, where=able)
    return out
