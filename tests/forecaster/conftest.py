"""One BLAS thread here too, as in the workers, where numpy is not loaded yet: the fits run many times faster."""

from __future__ import annotations

import forecaster.one_thread  # noqa: F401
