"""Imported by the fork server before numpy: one BLAS thread per worker.

The matrices are small (2,000 × 59): a second thread saves nothing alone on the machine, and on a busy one the two wait
for each other, 125 ms instead of 9 for a fit. OpenBLAS reads this when it is loaded, so it must be set before.
"""

from __future__ import annotations

import os

os.putenv("OPENBLAS_NUM_THREADS", "1")  # for C code in this process and its children; nothing is read
