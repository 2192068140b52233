"""MPI that continues without a dead rank: which have it, and how it is turned on."""

import pytest
from mpi4py import MPI

ULFM = ("--with-ft", "ulfm")
"""The words for mpirun."""

with_ulfm = pytest.mark.skipif(
    getattr(MPI, "ERR_PROC_FAILED", None) == getattr(MPI, "ERR_REVOKED", None),
    reason="no ULFM in this MPI",
)
