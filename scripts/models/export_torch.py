# SPDX-License-Identifier: Apache-2.0
"""Exports PyTorch models with random weights and stores what PyTorch itself computes.

usage: export_torch.py FOLDER [NAME ...]

FOLDER gets NAME.onnx and NAME.<case>.npz: inputs as "in:<name>", outputs as "out:<number>". Each
model has dynamic dimensions; the cases differ in them. Statistics of batch normalisation are taken
from data, since the default ones make a network's outputs constant."""

import pathlib
import sys

import numpy as np
import torch
import torchvision
import transformers

FOLDER = pathlib.Path(sys.argv[1])


def train_statistics(model, *shape):
    """Running means and variances from three random batches. Residual branches add a quarter of
    their variance, as in trained networks: with equal shares a network of random weights makes
    rounding errors grow in every block, the framework's own as well."""
    model.train()
    for layer in model.modules():
        if isinstance(layer, torchvision.models.resnet.Bottleneck):
            torch.nn.init.constant_(layer.bn3.weight, 0.5)
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # the mean of all batches
    with torch.no_grad():
        for _ in range(3):
            model(torch.randn(*shape))
    return model.eval()


def save(name, model, cases, inputs, outputs, dynamic, opset=17):
    """cases: argument tuples; the last one traces the graph."""
    with torch.no_grad():
        for number, arguments in enumerate(cases):
            results = model(*arguments)
            results = results if isinstance(results, (tuple, list)) else (results,)
            arrays = {"in:" + key: value.numpy() for key, value in zip(inputs, arguments)}
            arrays |= {f"out:{i}": value.numpy() for i, value in enumerate(results)}
            np.savez(FOLDER / f"{name}.{number}.npz", **arrays)
        torch.onnx.export(model, cases[-1], str(FOLDER / (name + ".onnx")), input_names=inputs,
                          output_names=outputs, dynamic_axes=dynamic, opset_version=opset,
                          dynamo=False)


def images(*shapes):
    return [(torch.randn(*shape),) for shape in shapes]


BATCH = {"x": {0: "batch"}, "y": {0: "batch"}}
ANY_IMAGE = {"x": {0: "batch", 2: "height", 3: "width"}, "y": {0: "batch"}}


def resnet50():
    model = train_statistics(torchvision.models.resnet50(weights=None), 4, 3, 160, 160)
    save("resnet50", model, images((1, 3, 224, 224), (3, 3, 192, 256), (2, 3, 224, 224)), ["x"],
         ["y"], ANY_IMAGE)


def mobilenet_v3():
    model = train_statistics(torchvision.models.mobilenet_v3_large(weights=None), 8, 3, 128, 128)
    save("mobilenet_v3", model, images((1, 3, 224, 224), (5, 3, 160, 160), (2, 3, 224, 224)),
         ["x"], ["y"], ANY_IMAGE)


class Output(torch.nn.Module):
    """A model whose result is one entry of a dictionary."""

    def __init__(self, model, key):
        super().__init__()
        self.model, self.key = model, key

    def forward(self, *arguments):
        return self.model(*arguments)[self.key]


def deeplabv3():
    model = torchvision.models.segmentation.deeplabv3_resnet50(weights=None, weights_backbone=None)
    model = train_statistics(model, 2, 3, 96, 96)
    dynamic = {"x": {0: "batch", 2: "height", 3: "width"},
               "y": {0: "batch", 2: "height", 3: "width"}}
    save("deeplabv3", Output(model, "out"), images((1, 3, 224, 224), (2, 3, 128, 160)), ["x"],
         ["y"], dynamic)


class Detector(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        found = self.model([x])[0]
        return found["boxes"], found["scores"], found["labels"]


class Trunk(torch.nn.Module):
    """What of a detector has normalisations."""

    def __init__(self, model):
        super().__init__()
        self.backbone, self.head = model.backbone, model.head

    def forward(self, x):
        return self.head(list(self.backbone(x).values()))


def ssd():
    torch.manual_seed(3)
    model = torchvision.models.detection.ssdlite320_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=5, score_thresh=0.25,
        detections_per_img=40)
    train_statistics(Trunk(model), 4, 3, 320, 320)
    model.eval()
    for layer in model.head.classification_head.modules():  # scores that differ
        if isinstance(layer, torch.nn.Conv2d) and layer.out_channels % 5 == 0:
            torch.nn.init.normal_(layer.weight, std=0.02)
    dynamic = {"boxes": {0: "found"}, "scores": {0: "found"}, "labels": {0: "found"}}
    cases = images((3, 320, 320), (3, 320, 320))
    with torch.no_grad():
        assert all(len(Detector(model)(*case)[1]) for case in cases), "nothing is found"
    save("ssd", Detector(model), cases, ["x"],
         ["boxes", "scores", "labels"], dynamic)


def vit_b_16():
    torch.backends.mha.set_fastpath_enabled(False)  # a fused operator that has no ONNX form
    model = torchvision.models.vit_b_16(weights=None)
    torch.nn.init.normal_(model.heads.head.weight, std=0.05)  # zero by default
    save("vit_b_16", model.eval(), images((1, 3, 224, 224), (3, 3, 224, 224)), ["x"], ["y"], BATCH)


def tokens(high, *shape):
    return torch.randint(0, high, shape)


class Bert(torch.nn.Module):
    def __init__(self):
        super().__init__()
        config = transformers.BertConfig(attn_implementation="eager")
        self.model = transformers.BertModel(config)

    def forward(self, ids, mask):
        result = self.model(input_ids=ids, attention_mask=mask)
        return result.last_hidden_state, result.pooler_output


def bert():
    def case(batch, length):
        mask = torch.ones(batch, length, dtype=torch.int64)
        mask[-1, length * 3 // 4:] = 0
        return tokens(30000, batch, length), mask
    dynamic = {key: {0: "batch", 1: "length"} for key in ("ids", "mask", "hidden")}
    save("bert", Bert().eval(), [case(1, 128), case(2, 17), case(2, 32)], ["ids", "mask"],
         ["hidden", "pooled"], dynamic | {"pooled": {0: "batch"}})


class Gpt2(torch.nn.Module):
    """One step of GPT-2: keys and values of the past come in and go out."""

    def __init__(self, layers):
        super().__init__()
        config = transformers.GPT2Config(n_layer=layers, attn_implementation="eager")
        self.layers = layers
        self.model = transformers.GPT2LMHeadModel(config)

    def forward(self, ids, positions, mask, *past):
        cache = transformers.DynamicCache()
        for layer in range(self.layers):
            cache.update(past[2 * layer], past[2 * layer + 1], layer)
        result = self.model(input_ids=ids, position_ids=positions, attention_mask=mask,
                            past_key_values=cache, use_cache=True)
        present = []
        for layer in range(self.layers):
            keys = cache.layers[layer] if hasattr(cache, "layers") else None
            present += ([keys.keys, keys.values] if keys is not None
                        else [cache.key_cache[layer], cache.value_cache[layer]])
        return (result.logits, *present)


def gpt2(layers=4):
    model = Gpt2(layers).eval()

    def case(batch, past, length):
        kept = [torch.randn(batch, 12, past, 64) for _ in range(2 * layers)]
        positions = torch.arange(past, past + length).expand(batch, length).contiguous()
        mask = torch.ones(batch, past + length, dtype=torch.int64)
        return (tokens(50000, batch, length), positions, mask, *kept)
    names = [f"past_{kind}_{i}" for i in range(layers) for kind in ("key", "value")]
    present = [name.replace("past", "present") for name in names]
    dynamic = {"ids": {0: "batch", 1: "length"}, "positions": {0: "batch", 1: "length"},
               "mask": {0: "batch", 1: "total"}, "logits": {0: "batch", 1: "length"}}
    dynamic |= {name: {0: "batch", 2: "past"} for name in names}
    dynamic |= {name: {0: "batch", 2: "total"} for name in present}
    save("gpt2", model, [case(1, 0, 9), case(2, 9, 1), case(2, 40, 3), case(2, 5, 4)],
         ["ids", "positions", "mask", *names], ["logits", *present], dynamic)


class Recurrent(torch.nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.cell = kind(24, 40, num_layers=2, bidirectional=True, batch_first=True)
        self.head = torch.nn.Linear(80, 7)

    def forward(self, x):
        return self.head(self.cell(x)[0])


def recurrent(name, kind):
    cases = [(torch.randn(*shape),) for shape in ((1, 12, 24), (5, 31, 24), (3, 7, 24))]
    dynamic = {key: {0: "batch", 1: "length"} for key in ("x", "y")}
    save(name, Recurrent(kind).eval(), cases, ["x"], ["y"], dynamic)


class EncoderDecoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        config = transformers.T5Config(vocab_size=2000, d_model=128, d_kv=32, d_ff=256,
                                       num_layers=3, num_heads=4, decoder_start_token_id=0,
                                       dropout_rate=0.0)
        self.model = transformers.T5ForConditionalGeneration(config)

    def forward(self, source, mask, target):
        return self.model(input_ids=source, attention_mask=mask, decoder_input_ids=target,
                          use_cache=False).logits


def t5():
    def case(batch, source, target):
        mask = torch.ones(batch, source, dtype=torch.int64)
        mask[0, source - 2:] = 0
        return tokens(2000, batch, source), mask, tokens(2000, batch, target)
    dynamic = {"source": {0: "batch", 1: "source"}, "mask": {0: "batch", 1: "source"},
               "target": {0: "batch", 1: "target"}, "logits": {0: "batch", 1: "target"}}
    save("t5", EncoderDecoder().eval(), [case(1, 20, 5), case(3, 33, 12), case(2, 9, 6)],
         ["source", "mask", "target"], ["logits"], dynamic)


MODELS = {
    "resnet50": resnet50, "mobilenet_v3": mobilenet_v3, "deeplabv3": deeplabv3, "ssd": ssd,
    "vit_b_16": vit_b_16, "bert": bert, "gpt2": gpt2,
    "lstm": lambda: recurrent("lstm", torch.nn.LSTM),
    "gru": lambda: recurrent("gru", torch.nn.GRU), "t5": t5,
}

if __name__ == "__main__":
    for chosen in sys.argv[2:] or MODELS:
        torch.manual_seed(0)
        MODELS[chosen]()
        print("exported", chosen, flush=True)
