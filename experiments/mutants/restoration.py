"""Mutants of the restoration algorithms and of the backbone."""

from experiments.mutants.mutant import Mutant

_DAMAGE = ("tests/distortion_engine/restoration/test_damage.py",)
_ALGORITHMS = ("tests/distortion_engine/restoration/test_algorithms.py",)
_OPERATIONS = ("tests/distortion_engine/restoration/test_operations.py",)
_RANKED = ("tests/distortion_engine/restoration/test_ranked.py",)
_BACKBONE = ("tests/relational_iqa/networks/test_backbone.py",)
_ADOPT = ("tests/experiments/backbone/test_adopt.py",)
_ROOM = "distortion_engine/restoration"
_NETWORK = "relational_iqa/networks/backbone.py"
_CONVOLUTION = "relational_iqa/networks/same_convolution.py"

MUTANTS = (
    Mutant(f"{_ROOM}/damage.py", "sensor.shot * raw.clamp_min(0.0)", "sensor.shot * raw.clamp_min(0.0) ** 2", _DAMAGE),
    Mutant(f"{_ROOM}/damage.py", "+ sensor.read**2", "+ sensor.read", _DAMAGE),
    Mutant(f"{_ROOM}/damage.py", "to_linear(image) / gains", "to_linear(image) * gains", _DAMAGE),
    Mutant(f"{_ROOM}/damage.py", 'at["beside"], at["above"])  # red', 'at["above"], at["beside"])  # red', _DAMAGE),
    Mutant(f"{_ROOM}/damage.py", "mosaic[1::2, 1::2] = light[2, 1::2, 1::2]", "pass", _DAMAGE),
    Mutant(f"{_ROOM}/damage.py", "torch.where(sampled > 0.5, mosaic, filled)", "filled", _DAMAGE),
    Mutant(f"{_ROOM}/damage.py", "math.sqrt(1.5)", "1.0", _DAMAGE),
    Mutant(f"{_ROOM}/bm3d.py", "share = power /", "share = deviation**2 /", _ALGORITHMS),
    Mutant(f"{_ROOM}/bm3d.py", "HARD_THRESHOLD = 2.7", "HARD_THRESHOLD = 0.3", _ALGORITHMS),
    Mutant(f"{_ROOM}/bm3d.py", 'kind="stable")[:GROUP]', 'kind="stable")[-GROUP:]', _ALGORITHMS),
    Mutant(f"{_ROOM}/denoising.py", "variance + 4.0 * deviation**2", "variance + deviation**2", _ALGORITHMS),
    Mutant(f"{_ROOM}/denoising.py", "(variance - deviation**2)", "(variance + deviation**2)", _ALGORITHMS),
    Mutant(f"{_ROOM}/deblurring.py", "estimate * gaussian(quotient, sigma_px)", "estimate * quotient", _ALGORITHMS),
    Mutant(f"{_ROOM}/deblurring.py", "transfer**2 + noise_to_signal", "transfer + noise_to_signal", _ALGORITHMS),
    Mutant(f"{_ROOM}/deblurring.py", "gain * (image - gaussian", "gain * (gaussian", _ALGORITHMS),
    Mutant(f"{_ROOM}/upscaling.py", "residue = small - shrink", "residue = -small + shrink", _ALGORITHMS),
    Mutant(f"{_ROOM}/operations.py", "manual_seed(operation.seed)", "manual_seed(0)", _OPERATIONS),
    Mutant(f"{_ROOM}/sampling.py", "max(damaged.deviation, 0.01) * _strength(rng)", "_strength(rng)", _OPERATIONS),
    Mutant(f"{_ROOM}/sampling.py", "if output not in outputs", "if True", _RANKED),
    Mutant(f"{_ROOM}/sampling.py", 'and "interpolation" not in without', "", _RANKED),
    Mutant(f"{_ROOM}/sampling.py", 'and "unsharp_mask" not in without', "", _RANKED),
    Mutant(f"{_ROOM}/sampling.py", "network_names(damaged.factor)))", "network_names(2)))", _RANKED),
    Mutant(f"{_ROOM}/ranked.py", '{"shot": rise**2', '{"shot": rise', _RANKED),
    Mutant(f"{_ROOM}/ranked.py", "round(100 - rise *", "round(100 - 0.9 * rise *", _RANKED),
    Mutant(f"{_ROOM}/ranked.py", "min(float(told), deviation)", "float(told)", _RANKED),
    Mutant(f"{_ROOM}/ranked.py", "power=-2.0", "power=2.0", _RANKED),
    Mutant(f"{_ROOM}/ranked.py", "(0,) * members, certainty=0.0", "(0,) * members", _RANKED),
    Mutant(f"{_ROOM}/ranked.py", "without if slow else others", "()", _RANKED),
    Mutant(f"{_ROOM}/ranked.py", "first * rise**strength.power", "first / rise**strength.power", _RANKED),
    Mutant("distortion_engine/render.py", "apply(reference, recipe.operations)", "apply(reference, ())", _RANKED),
    Mutant(_CONVOLUTION, "(kernel - stride) // 2", "(kernel - 1) // 2", _BACKBONE),
    Mutant(_NETWORK, "first = self.depthwise.before - above", "first = 0", _BACKBONE),
    Mutant(_CONVOLUTION, "first * stride - self.before, (last", "first * stride, (last", _BACKBONE),
    Mutant(_NETWORK, "nearest < 0.9 * wanted", "nearest < wanted", _BACKBONE),
    Mutant(
        "relational_iqa/networks/backbone.py", "CODE_MEAN, CODE_SPREAD = 127.0", "CODE_MEAN, CODE_SPREAD = 0.0", _ADOPT
    ),
    Mutant(_NETWORK, "= x + out if self.residual", "= out if self.residual", _ADOPT),
    Mutant("experiments/backbone/adopt.py", 'state[f"{norm}.running_mean"] * gain', "gain", _ADOPT),
    Mutant("experiments/backbone/adopt.py", "EPSILON = 1e-3", "EPSILON = 1e-1", _ADOPT),
)
