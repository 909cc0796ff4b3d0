"""Weights for fewer axes, carried over: what was known before is known as before."""

from pathlib import Path

import pytest
import torch

from distortion_engine.catalog import AXES
from distortion_engine.errors import UsageError
from relational_iqa.networks.distortion_network import DistortionNetwork
from relational_iqa.networks.more_axes import SPLIT_FROM, can_carry_over, carried_over
from relational_iqa.networks.pixel_perfect import Architecture, Networks
from relational_iqa.networks.scoring_network import ScoringNetwork
from relational_iqa.storage.pixel_perfect_weights import load_weights, load_weights_to_train, save_weights

FEWER = ("noise", "color_cast", "haze")
MORE = ("noise", "color_cast", "tint", "hue", "haze")
KEPT = [MORE.index(name) for name in FEWER]


class Core(torch.nn.Module):
    """Distortion network and scoring network for some number of axes."""

    def __init__(self, axes: int) -> None:
        super().__init__()
        self.distortion = DistortionNetwork(axes, 12, 4)
        self.scoring = ScoringNetwork(self.distortion)


@pytest.fixture(scope="module")
def cores() -> tuple[Core, Core]:
    torch.manual_seed(3)
    before, after = Core(len(FEWER)).eval(), Core(len(MORE)).eval()
    for parameter in before.parameters():  # no layer is 0, as some are at the start
        parameter.data += 0.05 * torch.randn_like(parameter)
    shapes = {name: value.shape for name, value in after.state_dict().items()}
    after.load_state_dict(carried_over(before.state_dict(), FEWER, MORE, shapes))
    return before.requires_grad_(False), after.requires_grad_(False)


def test_old_axes_are_seen_as_before_and_new_ones_as_what_they_were_split_from(cores: tuple[Core, Core]):
    before, after = cores
    a = torch.rand(2, 3, 64, 48, generator=torch.Generator().manual_seed(1))
    b = (a + 0.1 * torch.randn(a.shape, generator=torch.Generator().manual_seed(2))).clamp(0, 1)
    old, new = before.distortion(a, b), after.distortion(a, b)
    torch.testing.assert_close(new.type_logits[:, [*KEPT, -1]], old.type_logits)
    torch.testing.assert_close(new.direction[:, KEPT], old.direction)
    torch.testing.assert_close(new.magnitude, old.magnitude)
    for name, parent in SPLIT_FROM.items():
        torch.testing.assert_close(new.direction[:, MORE.index(name)], old.direction[:, FEWER.index(parent)])


def test_scorers_take_the_maps_of_old_axes_as_before(cores: tuple[Core, Core]):
    before, after = cores
    a = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    b = (a + 0.1 * torch.randn(a.shape, generator=torch.Generator().manual_seed(2))).clamp(0, 1)
    old = before.distortion(a, b)
    # The same relation for more axes: nothing is known of the new ones.
    maps, logits = torch.zeros(1, len(MORE), *old.maps.shape[-2:]), torch.full((1, len(MORE) + 1, 16, 16), -1e4)
    maps[:, KEPT], logits[:, [*KEPT, -1]] = old.maps, old.type_logits
    types = torch.zeros(1, len(MORE) + 1, *old.types.shape[-2:])
    types[:, [*KEPT, -1]] = old.types
    new = type(old)(**{**vars(old), "maps": maps, "types": types, "direction": maps, "type_logits": logits})
    torch.testing.assert_close(
        after.scoring.reference.local(b, a, new).visibility, before.scoring.reference.local(b, a, old).visibility
    )
    torch.testing.assert_close(after.scoring.pair.local(new).margin, before.scoring.pair.local(old).margin)


@pytest.mark.parametrize(
    ("axes", "wanted", "possible"),
    [
        (FEWER, MORE, True), (MORE, MORE, True), (("haze", "noise"), MORE, False), (("noise", "haze"), MORE, False),
        (("noise", "color_cast", "taste"), MORE, False), (MORE, FEWER, False), (FEWER, (*MORE, "taste"), False),
    ],
)  # fmt: skip
def test_only_axes_in_their_order_and_new_ones_with_a_parent_are_carried_over(
    axes: tuple[str, ...], wanted: tuple[str, ...], possible: bool
):
    assert can_carry_over(axes, wanted) is possible


def test_weights_that_differ_in_more_than_the_axes_are_refused():
    state = Core(len(FEWER)).state_dict()
    shapes = {name: value.shape for name, value in Core(len(MORE)).state_dict().items()}
    with pytest.raises(ValueError, match="gates"):
        carried_over(state, FEWER, MORE, {**shapes, "scoring.reference.gates.bias": (7,)})
    with pytest.raises(ValueError, match="not known to depend"):
        carried_over(state, FEWER, MORE, {**shapes, "distortion.strength.bias": (3,)})


def test_a_file_for_fewer_axes_can_be_trained_on_but_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fewer = tuple(axis for axis in AXES if axis.name not in SPLIT_FROM)
    with monkeypatch.context() as patch:
        for module in ("networks.pixel_perfect", "storage.pixel_perfect_weights"):
            patch.setattr(f"relational_iqa.{module}.AXES", fewer)
        save_weights(tmp_path / "fewer.safetensors", Networks(Architecture(width=12, encoder_channels=4)))
    with pytest.raises(UsageError, match="made for other axes"):
        load_weights(tmp_path / "fewer.safetensors")
    networks = load_weights_to_train(tmp_path / "fewer.safetensors")
    assert networks.distortion.axes == len(AXES)
    save_weights(tmp_path / "more.safetensors", networks)
    assert load_weights(tmp_path / "more.safetensors")[0].architecture == networks.architecture
