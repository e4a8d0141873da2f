"""One thread for the numerical libraries, of tests and of the processes they start.

Import it before NumPy. Tests run in several processes; with threads of their own on the same
cores, some take twenty times as long on a busy machine.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
