"""Values that options of the systems take, in a module that imports nothing: help texts list them without torch."""

from typing import Literal, get_args

Experts = Literal["both", "quality", "content"]
"""Which of the two encoders of Re-IQA gives features."""
EXPERTS: tuple[Experts, ...] = get_args(Experts)

OnnxMode = Literal["compare", "score"]
"""What an ONNX file computes: two images without a reference, or one image against its reference."""
