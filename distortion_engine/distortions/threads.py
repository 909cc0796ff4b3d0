"""One thread for as long as a distortion works: sums and powers then have the same bits in every process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import torch

_lock = threading.Lock()
_inside = 0  # how many threads of this process are inside `one_thread`
_opencv_threads = 0  # what OpenCV had before the first of them came


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch and OpenCV work on one thread inside, and on as many as before afterwards.

    PyTorch's results depend on the number of threads in a few places (sums, and powers at the end of each thread's
    share). OpenCV's do not, but images are small and workers many, so its threads would only be in each other's way.
    """
    global _inside, _opencv_threads
    torch_threads = torch.get_num_threads()
    with _lock:
        if _inside == 0:
            _opencv_threads = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _inside += 1
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(torch_threads)
        with _lock:
            _inside -= 1
            if _inside == 0:
                cv2.setNumThreads(_opencv_threads)
