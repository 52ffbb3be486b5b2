"""One small network of each of timm's families: layers and fields against timm's own words and the network itself.

timm says what the features of each stage are (``forward_intermediates``) and how many times smaller than the picture
(``feature_info``). What units see is tried by changing a pixel, with weights drawn at random.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import timm
import torch
from torch import Tensor, nn

import explorer
from explorer.fields.theoretical import ReceptiveField, receptive_fields
from explorer.layers.listing import Layer, channels_first, trace
from explorer.networks.preprocessing import Preprocess

FAMILIES = [
    "resnet18",
    "resnext50_32x4d",
    "resnest14d",
    "res2net50_14w_8s",
    "skresnet18",
    "resnetblur50",
    "densenet121",
    "dla46_c",
    "dpn48b",
    "efficientnet_b0",
    "tf_efficientnetv2_b0",
    "mobilenetv2_050",
    "mobilenetv3_small_050",
    "mobilenetv4_conv_small_035",
    "mnasnet_small",
    "ghostnet_050",
    "regnetx_002",
    "regnety_002",
    "rexnet_100",
    "hrnet_w18_small",
    "inception_v3",
    "inception_v4",
    "inception_resnet_v2",
    "xception41",
    "vgg11",
    "selecsls42",
    "tresnet_m",
    "cspresnet50",
    "ese_vovnet19b_slim",
    "repvgg_a0",
    "mobileone_s0",
    "fastvit_t8",
    "nf_regnet_b0",
    "halonet26t",
    "lambda_resnet26t",
    "botnet26t_256",
    "gcresnext26ts",
    "convnext_atto",
    "convnextv2_atto",
    "edgenext_xx_small",
    "poolformer_s12",
    "caformer_s18",
    "mixer_s32_224",
    "gmlp_s16_224",
    "resmlp_12_224",
    "vit_tiny_patch16_224",
    "deit_tiny_distilled_patch16_224",
    "deit3_small_patch16_224",
    "vit_little_patch16_reg4_gap_256",
    "cait_xxs24_224",
    "xcit_nano_12_p16_224",
    "swin_tiny_patch4_window7_224",
    "swinv2_tiny_window8_256",
    "eva02_tiny_patch14_224",
    "levit_128s",
    "levit_conv_128s",
    "pit_ti_224",
    "pit_ti_distilled_224",
    "twins_svt_small",
    "twins_pcpvt_small",
    "pvt_v2_b0",
    "mvitv2_tiny",
    "hiera_tiny_224",
    "crossvit_tiny_240",
    "coat_tiny",
    "coat_lite_tiny",
    "coatnet_nano_rw_224",
    "maxvit_pico_rw_256",
    "tnt_s_patch16_224",
    "nest_tiny",
    "visformer_tiny",
    "volo_d1_224",
    "focalnet_tiny_srf",
    "davit_tiny",
    "gcvit_xxtiny",
    "efficientformer_l1",
    "efficientformerv2_s0",
    "efficientvit_b0",
    "efficientvit_m0",
    "repvit_m0_9",
    "mobilevit_xxs",
    "mobilevitv2_050",
    "tiny_vit_5m_224",
    "inception_next_atto",
    "hgnetv2_b0",
    "rdnet_tiny",
    "starnet_s1",
    "mambaout_femto",
    "sequencer2d_s",
    "vitamin_small_224",
    "fasternet_t0",
    "shvit_s1",
    "swiftformer_xs",
    "lcnet_035",
    "tinynet_e",
    "convit_tiny",
]

SAMPLE = ["resnet18", "vit_tiny_patch16_224", "levit_128s"]
"""In every run; the others are slow: minutes together."""

TIMM_SAYS_OTHERWISE = {"tresnet_m": "it begins by turning patches of 4 × 4 pixels into channels, and says 2"}

_IN_WINDOWS = "attention in windows moves with the window, not with the unit"

WHOLE_PICTURE_THOUGH_LOCAL = {
    **dict.fromkeys(
        (
            "swin_tiny_patch4_window7_224",
            "swinv2_tiny_window8_256",
            "davit_tiny",
            "twins_svt_small",
            "hiera_tiny_224",
            "nest_tiny",
            "halonet26t",
            "tiny_vit_5m_224",
            "efficientvit_m0",
        ),
        _IN_WINDOWS,
    ),
    "volo_d1_224": "its outlook attention is in windows, too, two units apart",
    "crossvit_tiny_240": "its second branch makes 224 pixels of 240, and its units lie between them, by turns",
}
"""Where no regular field explains what units see; every other family's local layers have a local field."""


def network(name: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        built = timm.create_model(name, num_classes=10)
        for (
            parameter
        ) in built.parameters():  # layer scales and last layers that start at zero hide what is behind them
            if float(parameter.detach().abs().max()) < 1e-2:
                nn.init.normal_(parameter, std=0.1)
    return built.eval()


def loaded(name: str) -> explorer.LoadedModel:
    built = network(name)
    side = built.pretrained_cfg["input_size"][1]
    preprocess = Preprocess(side, side, (0.5,) * 3, (0.25,) * 3)
    return explorer.from_module(built, preprocess, [str(i) for i in range(10)], name=name, weights="random")


def maps_of(model: explorer.LoadedModel, batch: Tensor) -> Iterator[tuple[Layer, Tensor]]:
    layers = {name: layer for name, layer in trace(model).layers.items() if layer.is_map}
    with torch.no_grad():
        outputs = trace(model).run(batch, list(layers))
    for name, layer in layers.items():
        yield layer, channels_first(outputs[name], layer)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in SAMPLE else pytest.mark.slow) for name in FAMILIES]
)
def test_layers_and_fields_of_a_family(name: str) -> None:
    model = loaded(name)
    side = model.preprocess.crop_px
    batch = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    before = dict(maps_of(model, batch))
    fields = receptive_fields(model)
    compare_with_timm(name, model, batch, before, fields)
    for row, column in ((side // 2 + 3, side // 2 - 5), (side // 5, 3 * side // 4)):
        changed = batch.clone()
        changed[:, :, row, column] += 3
        for layer, values in maps_of(model, changed):
            differs = (values != before[layer]).any(0)
            compare_with_change(fields[layer.name], differs, row, column)
    needless = said_to_see_all(model, batch, fields)
    assert bool(needless) == (name in WHOLE_PICTURE_THOUGH_LOCAL), needless


def said_to_see_all(
    model: explorer.LoadedModel, batch: Tensor, fields: dict[str, ReceptiveField]
) -> list[str]:
    """Layers that are answered "the whole picture", though what a pixel changes ends before the borders of the map.

    The pixels are no number: small changes can't be lost in rounding.
    """
    side = batch.shape[-1]
    needless = set()
    for row, column in ((side // 2 + 1, side // 2 - 2), (3, side - 9)):
        changed = batch.clone()
        changed[:, :, row, column] = torch.nan
        for layer, values in maps_of(model, changed):
            lit = values.isnan().any(0)
            ends = bool(lit.any()) and not (lit.any(0).all() and lit.any(1).all())
            if fields[layer.name].is_global and ends:
                needless.add(layer.name)
    return sorted(needless)


def compare_with_timm(
    name: str,
    model: explorer.LoadedModel,
    batch: Tensor,
    maps: dict[Layer, Tensor],
    fields: dict[str, ReceptiveField],
) -> None:
    """timm's features of every stage are among the maps, the right way round, and as far apart as it says."""
    built = model.module
    if not hasattr(built, "forward_intermediates"):
        return
    with torch.no_grad():
        features = built.forward_intermediates(batch, intermediates_only=True, norm=False)
    info = getattr(built, "feature_info", [])
    reductions = (
        [stage["reduction"] for stage in info] if len(info) == len(features) else [None] * len(features)
    )
    for feature, reduction in zip(features, reductions, strict=True):
        same = [
            layer
            for layer, values in maps.items()
            if values.shape == feature.shape[1:] and torch.allclose(values, feature[0], rtol=1e-3, atol=1e-4)
        ]
        assert same, f"no map is {tuple(feature.shape)}"
        if reduction is not None and name not in TIMM_SAYS_OTHERWISE:
            assert fields[same[-1].name].stride == pytest.approx((reduction, reduction), rel=0.07)


def compare_with_change(field: ReceptiveField, differs: Tensor, row: int, column: int) -> None:
    """Where a pixel changed, no unit changed that isn't claimed to see it."""
    if field.is_global or not bool(differs.any()):
        return
    rows, columns = field.units_seeing(row, column)
    allowed = torch.zeros_like(differs)
    allowed[rows.start : rows.stop, columns.start : columns.stop] = True
    assert not bool((differs & ~allowed).any()), field
