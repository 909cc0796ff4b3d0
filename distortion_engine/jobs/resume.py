"""What a long job does with what an earlier run of it left."""

from typing import Literal, get_args

Resume = Literal["auto", "never"]
"""auto: complete it. never: leave it aside and start anew, or refuse to write where it lies."""
RESUME: tuple[Resume, ...] = get_args(Resume)
