"""All mutants, by the room they are in."""

from experiments.mutants import distortions, judgement, metrics, restoration, results, training
from experiments.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *distortions.MUTANTS,
    *restoration.MUTANTS,
    *metrics.MUTANTS,
    *training.MUTANTS,
    *judgement.MUTANTS,
    *results.MUTANTS,
)
