"""The table of conventional metrics: what each number means, so that no direction has to be guessed."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from relational_iqa.conventional.deviation import gmsd, mdsi, ms_gmsd
from relational_iqa.conventional.phase import fsim
from relational_iqa.conventional.saliency import vsi
from relational_iqa.conventional.structural import ms_ssim, psnr, ssim
from relational_iqa.conventional.wavelet import haarpsi


@dataclass(frozen=True)
class Metric:
    """One full-reference metric, and what its number means.

    Args:
        name: key of `METRICS`.
        function: (test (B, 3, H, W), reference (B, 3, H, W)) -> (B,), both sRGB in [0, 1].
        higher_is_better: direction of the value.
        range: lowest and highest value that a pair of images can have.
        identical: the value of two equal images, exactly.
        unit: of the value, for tables.
        differentiable: whether gradients are real and finite, so that it can be a loss.
        source: the paper, and which variant of it.
    """

    name: str
    function: Callable[[Tensor, Tensor], Tensor]
    higher_is_better: bool
    range: tuple[float, float]
    identical: float
    unit: str
    differentiable: bool
    source: str


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("psnr", psnr, True, (0.0, 80.0), 80.0, "dB", True, "peak 1, mean over RGB; 1e-8 added to the mse"),
        Metric("ssim", ssim, True, (-1.0, 1.0), 1.0, "similarity", True, "Wang et al., IEEE TIP 13(4), 2004"),
        Metric("ms_ssim", ms_ssim, True, (0.0, 1.0), 1.0, "similarity", True, "Wang et al., Asilomar 2003"),
        Metric("gmsd", gmsd, False, (0.0, 0.5), 0.0, "deviation", True, "Xue et al., IEEE TIP 23(2), 2014"),
        Metric("ms_gmsd", ms_gmsd, False, (0.0, 2.0), 0.0, "deviation", True, "Zhang et al., ICASSP 2017, chromatic"),
        Metric("mdsi", mdsi, False, (0.0, 1.0), 0.0, "deviation", True, "Nafchi et al., IEEE Access 4, 2016"),
        Metric("haarpsi", haarpsi, True, (0.0, 1.0), 1.0, "similarity", True, "Reisenhofer et al., SPIC 61, 2018"),
        Metric("vsi", vsi, True, (0.0, 1.0), 1.0, "similarity", True, "Zhang, Shen, Li, IEEE TIP 23(10), 2014"),
        Metric("fsim", fsim, True, (0.0, 1.0), 1.0, "similarity", True, "Zhang et al., TIP 20(8), 2011, chromatic"),
    )
}
