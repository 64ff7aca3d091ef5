"""Surrogates: fitted models of the utilities, feasibility, outcome transforms, and cross-validation."""

from invdesign.surrogate.descriptors import descriptor_gp
from invdesign.surrogate.diagnostics import SurrogateReport, cross_validate
from invdesign.surrogate.feasibility import constraint_feasibility, feasibility_surrogate, transition_feasibility
from invdesign.surrogate.gp import ConditionedGP
from invdesign.surrogate.kernels import MinMaxKernel, minmax
from invdesign.surrogate.models import auto, deep_kernel_gp, exact_gp, joint_gp, sparse_gp, tanimoto_gp
from invdesign.surrogate.motifs import motif_gp
from invdesign.surrogate.outcome_transforms import TransformedUtility
from invdesign.surrogate.outcome_transforms import none as no_transform
from invdesign.surrogate.robust_fit import Fit, fit_robustly
from invdesign.surrogate.sites import site_gp
from invdesign.surrogate.smoothing import smoothed_gp
from invdesign.surrogate.transfer import Source, fit_transfer

__all__ = [
    "ConditionedGP",
    "Fit",
    "MinMaxKernel",
    "Source",
    "SurrogateReport",
    "TransformedUtility",
    "auto",
    "constraint_feasibility",
    "cross_validate",
    "deep_kernel_gp",
    "descriptor_gp",
    "exact_gp",
    "feasibility_surrogate",
    "fit_robustly",
    "fit_transfer",
    "joint_gp",
    "minmax",
    "motif_gp",
    "no_transform",
    "site_gp",
    "smoothed_gp",
    "sparse_gp",
    "tanimoto_gp",
    "transition_feasibility",
]
