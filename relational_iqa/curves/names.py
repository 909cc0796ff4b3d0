"""Names of what can be chosen, without what does it."""

from typing import Literal, get_args

Interpolation = Literal["pchip", "akima"]
INTERPOLATIONS: tuple[Interpolation, ...] = get_args(Interpolation)
