"""The judgement of one image: what its cells hold, that tiles add up to the whole, how heads are pooled."""

import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from relational_iqa.networks.backbone import BackboneArchitecture, random_weights
from relational_iqa.networks.in_parts import CELL_PX
from relational_iqa.networks.judgement import Judgement, JudgementArchitecture, JudgementSums, LocalJudgement
from relational_iqa.networks.local_relation import LocalRelation

SMALL = JudgementArchitecture(BackboneArchitecture(taps=(-1, 2, 4)), half_taps=2, hidden=8, heads=2)


def built(architecture: JudgementArchitecture) -> Judgement:
    torch.manual_seed(0)
    judgement = Judgement(architecture)
    images = smooth_noise(2, 64, 96)
    random_weights(judgement.stages, images, seed=1)
    judgement.calibrate(images)
    judgement.calibrate_heads(judgement.moments(images))
    for parameter in judgement.locals.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return judgement.eval().requires_grad_(False)


def smooth_noise(count: int, height: int, width: int) -> Tensor:
    coarse = torch.rand(count, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(3))
    fine = torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(4))
    return 0.8 * F.interpolate(coarse, (height, width), mode="bilinear") + 0.2 * fine


@pytest.fixture(scope="module")
def judgement() -> Judgement:
    return built(SMALL)


def test_a_cell_holds_the_mean_and_the_mean_square_of_every_centred_channel(judgement: Judgement):
    image = smooth_noise(1, 48, 64)
    found = judgement.moments(image)[0]
    assert found.shape == (2 * judgement.channels, 3, 4)
    stages = [*judgement.stages(image), *judgement.stages(F.avg_pool2d(image, 2))[:2]]
    channel = 0
    for stage in stages:
        side = CELL_PX * stage.shape[-1] // 64
        for plane in stage[0]:
            centred = (plane - judgement.channel_mean[channel]) * judgement.channel_scale[channel]
            cell = centred[side : 2 * side, 2 * side : 3 * side]
            assert float(found[channel, 1, 2]) == pytest.approx(float(cell.mean()), abs=1e-5)
            second = found[judgement.channels + channel, 1, 2]
            assert float(second) == pytest.approx(float(cell.square().mean()), rel=1e-4, abs=1e-5)
            channel += 1
    assert channel == judgement.channels


def test_the_spread_is_that_of_three_by_three_cells(judgement: Judgement):
    moments = torch.randn(1, 2 * judgement.channels, 5, 6)
    moments[:, judgement.channels :] = 4 + moments[:, judgement.channels :].abs()
    found = judgement.inputs(moments)[0]
    first, second = moments[0, 1], moments[0, judgement.channels + 1]
    variance = second[1:4, 2:5].mean() - first[1:4, 2:5].mean() ** 2
    number = judgement.channels + 1
    expected = (torch.sqrt(variance + 1e-4) - judgement.offset[number]) * judgement.scale[number]
    assert float(found[number, 2, 3]) == pytest.approx(float(expected), rel=1e-4)
    variance = second[:2, :2].mean() - first[:2, :2].mean() ** 2  # at the border of those that there are
    expected = (torch.sqrt(variance + 1e-4) - judgement.offset[number]) * judgement.scale[number]
    assert float(found[number, 0, 0]) == pytest.approx(float(expected), rel=1e-4)


def test_calibration_brings_channels_and_inputs_to_unit_spread(judgement: Judgement):
    images = smooth_noise(2, 64, 96)
    moments = judgement.moments(images)
    inputs = judgement.inputs(moments)
    assert torch.allclose(inputs.mean((0, 2, 3)), torch.zeros(len(judgement.offset)), atol=1e-3)
    assert torch.allclose(inputs.std((0, 2, 3)), torch.ones(len(judgement.offset)), atol=1e-2)
    assert float(moments[:, : judgement.channels].mean().abs()) < 1e-2


def test_tiles_with_a_halo_add_up_to_the_whole_image(judgement: Judgement):
    image = smooth_noise(1, 256, 384)
    halo = -(-judgement.reach_px // CELL_PX) * CELL_PX
    whole = judgement(image)
    ones = torch.ones(1, 1, 16, 24)
    expected = judgement.quality(whole.sums(ones))
    sums = None
    for left, right in ((0, 144), (144, 384)):
        start, stop = max(0, left - halo), min(384, right + halo)
        part = judgement(image[..., start:stop])
        share = torch.zeros(1, 1, 16, (stop - start) // CELL_PX)
        share[..., (left - start) // CELL_PX : (right - start) // CELL_PX] = 1
        own = part.quality[..., (left - start) // CELL_PX : (right - start) // CELL_PX]
        assert torch.allclose(own, whole.quality[..., left // CELL_PX : right // CELL_PX], atol=1e-4)
        sums = part.sums(share) if sums is None else sums + part.sums(share)
    assert sums is not None
    assert torch.allclose(judgement.quality(sums), expected, atol=1e-4)


def test_what_lies_beyond_the_reach_does_not_count(judgement: Judgement):
    image = smooth_noise(1, 64, 448)
    changed = image.clone()
    edge = 448 - CELL_PX
    changed[..., edge:] = 1 - changed[..., edge:]
    same = (edge - judgement.reach_px) // CELL_PX
    assert same > 2
    before, after = judgement(image).quality, judgement(changed).quality
    assert torch.equal(before[..., :same], after[..., :same]) and not torch.equal(before, after)


def test_local_quality_is_never_above_zero_and_weights_are_positive(judgement: Judgement):
    local = judgement(smooth_noise(2, 64, 64))
    assert local.quality.shape == local.weight.shape == (2, 2, 4, 4)
    assert float(local.quality.max()) <= 0 and float(local.weight.min()) > 0
    assert not torch.equal(local.quality[:, 0], local.quality[:, 1])  # the heads differ


def sums_of(judgement: Judgement) -> JudgementSums:
    moments = torch.randn(1, 2 * judgement.channels) ** 2
    moments[:, judgement.channels :] += moments[:, : judgement.channels] ** 2
    return JudgementSums(
        share=torch.tensor([[2.0]]), moments=moments, weight=torch.tensor([[4.0, 1.0]]),
        value=torch.tensor([[-4.0, -3.0]]), square=torch.tensor([[16.0, 9.0]]),
    )  # fmt: skip


def test_the_local_part_is_between_the_mean_and_minus_the_root_of_the_mean_square():
    judgement = built(replace(SMALL, pooled=False))
    judgement.root_share.data = torch.tensor([-40.0, 40.0])
    assert torch.allclose(judgement.quality(sums_of(judgement)), torch.tensor([[-1.0, -3.0]]), atol=1e-5)
    judgement.root_share.data.zero_()
    assert torch.allclose(judgement.quality(sums_of(judgement)), torch.tensor([[-1.5, -3.0]]), atol=1e-5)


def test_the_pooled_part_sees_mean_and_spread_of_the_whole_image():
    both, local, pooled = (built(replace(SMALL, **kept)) for kept in ({}, {"pooled": False}, {"local": False}))
    sums = sums_of(pooled)
    first, second = (sums.moments / 2).chunk(2, 1)
    x = (torch.cat([first, torch.sqrt((second - first**2).clamp_min(0) + 1e-4)], 1) - pooled.offset) * pooled.scale
    expected = torch.cat([head(x) for head in pooled.pooled], 1)
    assert torch.allclose(pooled.quality(sums), expected, atol=1e-5)
    both.load_state_dict(pooled.state_dict())
    local.load_state_dict(pooled.state_dict())
    assert torch.allclose(both.quality(sums), expected + local.quality(sums), atol=1e-5)


def test_relation_heads_are_odd_to_the_bit_and_see_both_images(judgement: Judgement):
    a, b = (judgement(smooth_noise(2, 64, 64) * factor).sums(torch.ones(1, 1, 4, 4)) for factor in (1.0, 0.6))
    one, other = judgement.relation(a, b), judgement.relation(b, a)
    assert one.shape == (2, 2) and torch.equal(one, -other) and float(one.abs().min()) > 0
    assert torch.equal(judgement.relation(a, a), torch.zeros(2, 2))
    x, y = judgement.pooled_inputs(a), judgement.pooled_inputs(b)
    layers = judgement.relations[1].layers
    mean, apart = (x + y) / 2, x - y
    expected = layers(torch.cat([mean, apart], 1)) - layers(torch.cat([mean, -apart], 1))
    assert torch.allclose(one[:, 1:], expected)


def test_local_relation_heads_are_odd_to_the_bit_and_their_weights_even(judgement: Judgement):
    generator = torch.Generator().manual_seed(6)
    for parameter in judgement.local_relations.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    a, b = (judgement.moments(smooth_noise(2, 64, 64) * factor) for factor in (1.0, 0.6))
    one, other = judgement.local_relation(a, b), judgement.local_relation(b, a)
    assert one.margin.shape == one.weight.shape == (2, 2, 4, 4) and float(one.margin.abs().min()) > 0
    assert torch.equal(one.margin, -other.margin) and torch.equal(one.weight, other.weight)
    assert float(one.weight.min()) > 0 and float(one.weight.std()) > 0
    assert torch.equal(judgement.local_relation(a, a).margin, torch.zeros(2, 2, 4, 4))
    # What a head says of a cell depends on both images there, and on nothing beyond the spread around it.
    changed = b.clone()
    changed[..., 0] += 1
    third = judgement.local_relation(a, changed).margin
    assert torch.equal(third[..., 2:], one.margin[..., 2:]) and not torch.equal(third[..., :2], one.margin[..., :2])


def test_several_images_beside_one_are_judged_as_each_alone(judgement: Judgement) -> None:
    first, second, third = (judgement.moments(smooth_noise(2, 64, 64) * factor) for factor in (1.0, 0.6, 0.3))
    own, pairs = judgement.pairs_from_moments(first, [second, third])
    torch.testing.assert_close(own.quality, judgement.from_moments(first).quality)
    for other, (judged, related) in zip((second, third), pairs, strict=True):
        alone = judgement.from_moments(other)
        torch.testing.assert_close(judged.quality, alone.quality)
        torch.testing.assert_close(judged.weight, alone.weight)
        assert torch.equal(judged.moments, other)
        torch.testing.assert_close(related.margin, judgement.local_relation(first, other).margin)
        torch.testing.assert_close(-related.margin, judgement.local_relation(other, first).margin)


def test_images_seen_with_their_reference_have_the_moments_of_each_alone(judgement: Judgement) -> None:
    reference, one, other = (smooth_noise(1, 64, 64) * factor for factor in (1.0, 0.6, 0.3))
    *seen, last = judgement.see([one, other], reference)
    assert last.apart is None
    for image, found in zip((one, other, reference), (*seen, last), strict=True):
        torch.testing.assert_close(found.moments, judgement.moments(image))
    (same, _), apart = judgement.see([reference], reference), seen[0].apart
    assert apart is not None and apart.min() >= 0 and apart.mean() > 1e-3
    assert same.apart is not None and not same.apart.any()


def test_local_relations_are_pooled_by_their_weights_and_tiles_add():
    local = LocalRelation(torch.tensor([[[[2.0, -4.0]]]]), torch.tensor([[[[3.0, 2.0]]]]))
    sums = local.sums(torch.tensor([[[[1.0, 0.5]]]]))
    assert (float(sums.weight), float(sums.value), float(sums.margin())) == (4.0, 2.0, 0.5)
    other = local.sums(torch.tensor([[[[0.0, 1.0]]]]))
    assert float((sums + other).margin()) == pytest.approx((2.0 - 8.0) / 6.0)


def test_sums_count_what_the_share_says():
    local = LocalJudgement(
        torch.tensor([[[[-1.0, -3.0]]]]), torch.tensor([[[[2.0, 4.0]]]]), torch.tensor([[[[5.0, 7.0]]]])
    )
    sums = local.sums(torch.tensor([[[[1.0, 0.5]]]]))
    assert [float(value) for value in vars(sums).values()] == [1.5, 8.5, 4.0, -8.0, 20.0]
    double = sums + sums
    assert [float(value) for value in vars(double).values()] == [3.0, 17.0, 8.0, -16.0, 40.0]


def test_architectures_survive_json_and_impossible_ones_are_refused():
    assert JudgementArchitecture.from_dict(json.loads(json.dumps(SMALL.to_dict()))) == SMALL
    with pytest.raises(ValueError, match="local, pooled or both"):
        replace(SMALL, local=False, pooled=False)
    with pytest.raises(ValueError, match="hidden is 0"):
        replace(SMALL, hidden=0)
    with pytest.raises(ValueError, match="wider than a cell"):
        Judgement(replace(SMALL, backbone=BackboneArchitecture(taps=(-1, 14))))
    with pytest.raises(ValueError, match="half_taps is 3"):
        Judgement(JudgementArchitecture(BackboneArchitecture(taps=(-1, 4, 10)), half_taps=3))


def test_images_that_are_equal_in_most_places_are_seen_as_each_by_itself(monkeypatch: pytest.MonkeyPatch):
    judgement = built(SMALL)
    image = smooth_noise(1, 1056, 1184)
    other = image.clone()
    other[..., 900:960, 1000:1100] = 1 - other[..., 900:960, 1000:1100]
    expected = [judgement.moments(one) for one in (image, other)]
    seen: list[Tensor] = []
    stem = judgement.stages._stem
    monkeypatch.setattr(judgement.stages, "_stem", lambda x: (seen.append(x), stem(x))[1])
    with torch.inference_mode():
        found = judgement.moments_of((image, other))
    for one, same in zip(found, expected, strict=True):
        torch.testing.assert_close(one, same, rtol=1e-4, atol=1e-4)
    assert torch.equal(found[0][..., :10, :10], found[1][..., :10, :10]) and not torch.equal(*found)
    assert len(seen) < 2 * 2 * 4  # two images at two sizes of 2 x 2 blocks
