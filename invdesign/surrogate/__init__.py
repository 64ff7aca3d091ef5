"""Surrogates: what is believed of the utilities between measurements, and how far that can be trusted."""

from invdesign.surrogate.closed import ClosedGP
from invdesign.surrogate.feasibility import feasibility_surrogate, transition_feasibility
from invdesign.surrogate.kernels import MinMaxKernel, minmax
from invdesign.surrogate.ladder import Fit, fit
from invdesign.surrogate.models import auto, deep_kernel_gp, exact_gp, joint_gp, sparse_gp, tanimoto_gp
from invdesign.surrogate.motifs import motif_gp
from invdesign.surrogate.report import SurrogateReport, assess
from invdesign.surrogate.sites import site_gp
from invdesign.surrogate.warps import Warped
from invdesign.surrogate.warps import none as no_warp

__all__ = [
    "ClosedGP",
    "Fit",
    "MinMaxKernel",
    "SurrogateReport",
    "Warped",
    "assess",
    "auto",
    "deep_kernel_gp",
    "exact_gp",
    "feasibility_surrogate",
    "fit",
    "joint_gp",
    "minmax",
    "motif_gp",
    "no_warp",
    "site_gp",
    "sparse_gp",
    "tanimoto_gp",
    "transition_feasibility",
]
