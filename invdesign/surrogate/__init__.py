"""Surrogates: what is believed of the utilities between measurements, and how far that can be trusted."""

from invdesign.surrogate.closed import ClosedGP
from invdesign.surrogate.feasibility import feasibility_surrogate
from invdesign.surrogate.kernels import MinMaxKernel, minmax
from invdesign.surrogate.ladder import Fit, fit
from invdesign.surrogate.models import auto, deep_kernel_gp, exact_gp, joint_gp, sparse_gp, tanimoto_gp
from invdesign.surrogate.report import SurrogateReport, assess

__all__ = [
    "ClosedGP",
    "Fit",
    "MinMaxKernel",
    "SurrogateReport",
    "assess",
    "auto",
    "deep_kernel_gp",
    "exact_gp",
    "feasibility_surrogate",
    "fit",
    "joint_gp",
    "minmax",
    "sparse_gp",
    "tanimoto_gp",
]
