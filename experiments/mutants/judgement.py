"""Mutants of the judgement of one image, of the relation of two, and of what joins them."""

from experiments.mutants.mutant import Mutant

_NETWORK = ("tests/relational_iqa/networks/test_judgement.py",)
_JOINT = ("tests/relational_iqa/networks/test_joint_margin.py",)
_DISTANCES = ("tests/relational_iqa/networks/test_stage_distances.py",)
_STAGE = ("tests/relational_iqa/training/pixel_perfect/test_judgement_stage.py",)
_JOINT_STAGE = ("tests/relational_iqa/training/pixel_perfect/test_joint_stage.py",)
_REFERENCE_JOINT = ("tests/relational_iqa/networks/test_reference_joint.py",)
_REFERENCE_STAGE = ("tests/relational_iqa/training/pixel_perfect/test_reference_joint_stage.py",)
MUTANTS: tuple[Mutant, ...] = (
    Mutant("relational_iqa/networks/judgement.py", "second - first.square()", "second + first.square()", _NETWORK),
    Mutant("relational_iqa/networks/judgement.py", "return first - second", "return first + second", _NETWORK),
    Mutant(
        "relational_iqa/networks/judgement.py",
        "(1 - share) * mean - share * root",
        "(1 - share) * mean + share * root",
        _NETWORK,
    ),
    Mutant("relational_iqa/networks/judgement.py", "(weight * quality.square())", "(weight * quality)", _NETWORK),
    Mutant("relational_iqa/networks/judgement.py", "(moments * share)", "moments", _NETWORK),
    Mutant("relational_iqa/networks/judgement.py", "-F.softplus(out[:, :1])", "F.softplus(out[:, :1])", _NETWORK),
    Mutant(
        "relational_iqa/networks/joint_margin.py",
        "apart = (self.judged_a - self.judged_b)",
        "apart = (self.judged_b - self.judged_a)",
        _JOINT,
    ),
    Mutant(
        "relational_iqa/networks/joint_margin.py", "margin.detach().abs() * _SURE", "margin.detach() * _SURE", _JOINT
    ),
    Mutant("relational_iqa/networks/joint_margin.py", "/ self.temperature", "* self.temperature", _JOINT),
    Mutant("relational_iqa/networks/joint_margin.py", "_PLACED = (0, 2, 3)", "_PLACED = (1, 2, 3)", _JOINT),
    Mutant(
        "relational_iqa/networks/stage_distances.py", "stride >= COARSE_STRIDE", "stride < COARSE_STRIDE", _DISTANCES
    ),
    Mutant(
        "relational_iqa/networks/stage_distances.py", "(square_d - (mean_x - mean_y).square())", "square_d", _DISTANCES
    ),
    Mutant(
        "relational_iqa/training/pixel_perfect/judgement_stage.py",
        "batch.labels[:, None, :] - batch.labels[:, :, None]",
        "batch.labels[:, :, None] - batch.labels[:, None, :]",
        _STAGE,
    ),
    Mutant(
        "relational_iqa/training/pixel_perfect/judgement_stage.py",
        "batch.distances[:, None, :] - batch.distances[:, :, None]",
        "batch.distances[:, :, None] - batch.distances[:, None, :]",
        _STAGE,
    ),
    Mutant(
        "relational_iqa/training/pixel_perfect/judgement_stage.py",
        "head[:, :, None] - head[:, None, :]",
        "head[:, None, :] - head[:, :, None]",
        _STAGE,
    ),
    Mutant(
        "relational_iqa/training/pixel_perfect/judgement_stage.py",
        "target[:, None, :] - target[:, :, None]",
        "target[:, :, None] - target[:, None, :]",
        _STAGE,
    ),
    Mutant(
        "relational_iqa/training/pixel_perfect/judgement_stage.py",
        "-quality / LEVELS_PER_SEVERITY, severity",
        "quality / LEVELS_PER_SEVERITY, severity",
        _STAGE,
    ),
    Mutant(
        "relational_iqa/training/pixel_perfect/joint_stage.py",
        "labels[second] - labels[first]",
        "labels[first] - labels[second]",
        _JOINT_STAGE,
    ),
    Mutant(
        "relational_iqa/networks/joint_margin.py",
        "-self.related, -self.placed",
        "self.related, -self.placed",
        _JOINT,
    ),
    Mutant("relational_iqa/training/pixel_perfect/joint_stage.py", "odds / value", "odds * value", _JOINT_STAGE),
    Mutant(
        "relational_iqa/training/pixel_perfect/joint_stage.py",
        "rank_logistic(batch.sign * verdict.margin, ordered)",
        "rank_logistic(-batch.sign * verdict.margin, ordered)",
        _JOINT_STAGE,
    ),
    Mutant("relational_iqa/networks/local_relation.py", "a[0] + b[1]", "a[0] + b[0]", _NETWORK),
    Mutant(
        "relational_iqa/networks/local_relation.py",
        "first[:, :1] - second[:, :1]",
        "first[:, :1] + second[:, :1]",
        _NETWORK,
    ),
    Mutant(
        "relational_iqa/networks/local_relation.py",
        "(first[:, 1:] + second[:, 1:]) / 2",
        "(first[:, 1:] - second[:, 1:]) / 2",
        _NETWORK,
    ),
    Mutant(
        "relational_iqa/training/pixel_perfect/judgement_stage.py",
        "severity[second] - severity[first]",
        "severity[first] - severity[second]",
        _STAGE,
    ),
    Mutant(
        "relational_iqa/networks/stage_comparison.py",
        "(apart - step)",
        "apart",
        ("tests/relational_iqa/networks/test_stage_comparison.py",),
    ),
    Mutant(
        "relational_iqa/networks/stage_comparison.py",
        "(mean_y + zero).square()",
        "mean_y.square()",
        ("tests/relational_iqa/networks/test_stage_comparison.py",),
    ),
    Mutant(
        "relational_iqa/networks/reference_joint.py",
        "F.softplus(self.mix)[:, :, None, None]",
        "self.mix[:, :, None, None]",
        _REFERENCE_JOINT,
    ),
    Mutant(
        "relational_iqa/networks/reference_joint.py",
        "- LEVELS_PER_SEVERITY *",
        "+ LEVELS_PER_SEVERITY *",
        _REFERENCE_JOINT,
    ),
    Mutant(
        "relational_iqa/networks/reference_joint.py", "(apart - scorer).abs()", "(apart - scorer)", _REFERENCE_JOINT
    ),
    Mutant(
        "relational_iqa/networks/reference_joint.py",
        "F.avg_pool2d(share, side)",
        "share[..., ::side, ::side]",
        _REFERENCE_JOINT,
    ),
    Mutant(
        "relational_iqa/training/pixel_perfect/reference_joint_stage.py",
        "torch.log((1 + v) / (1 - v))",
        "torch.log((1 - v) / (1 + v))",
        _REFERENCE_STAGE,
    ),
    Mutant(
        "relational_iqa/training/pixel_perfect/reference_joint_stage.py",
        "(odds * teachers).sum(-1) / odds.sum(-1).clamp_min(1e-6)",
        "teachers.mean(-1)",
        _REFERENCE_STAGE,
    ),
    Mutant(
        "relational_iqa/training/pixel_perfect/reference_joint_stage.py",
        "teachers[None, :] - teachers[:, None]",
        "teachers[:, None] - teachers[None, :]",
        _REFERENCE_STAGE,
    ),
    Mutant(
        "relational_iqa/training/data/stored_rows.py",
        "{facts} {sets.images.shape}",
        "{sets.images.shape}",
        ("tests/relational_iqa/training/data/test_stored_rows.py",),
    ),
)
