"""Processes that are forked after PyTorch was used: they would wait for threads that a fork does not take along."""

import os
from functools import cache

import torch


@cache
def one_thread_in_forks() -> None:
    """From now on, a forked child of this process computes with one thread of PyTorch.

    OpenMP keeps its threads between uses. A child has none of them, and would wait for them for ever.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_one_thread)


def _one_thread() -> None:
    torch.set_num_threads(1)
