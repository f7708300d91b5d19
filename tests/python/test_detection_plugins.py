# SPDX-License-Identifier: Apache-2.0
"""Plugins that choose and make boxes against numpy, from each plugin's public definition."""

import math

import numpy as np
import pytest

import whet
from plugin_model import close, run

F32, I32 = np.float32, np.int32
DETECTIONS = (I32, F32, F32, I32)


def random_boxes(rng, *shape, size=1.0):
    low = rng.random((*shape, 2)) * 0.7
    return (np.concatenate([low, low + 0.1 + rng.random((*shape, 2)) * 0.3], -1)
            * size).astype(F32)


def overlap(a, b, one=0.0):
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    if (high < low).any():
        return 0.0
    both = np.prod(high - low + one)
    return both / (np.prod(a[2:] - a[:2] + one) + np.prod(b[2:] - b[:2] + one) - both)


def greedy(candidates, iou, agnostic=False, most=10 ** 9, each=10 ** 9, one=0.0):
    """candidates: (score, class, box, ...); the kept ones, best first."""
    kept = []
    for c in sorted(candidates, key=lambda c: -c[0]):
        alike = [k for k in kept if k[1] == c[1]]
        rivals = kept if agnostic else alike
        if len(kept) < most and len(alike) < each and all(
                overlap(k[2].astype(np.float64), c[2].astype(np.float64), one) <= iou
                for k in rivals):
            kept.append(c)
    return kept


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def corners(v):
    return np.concatenate([v[..., :2] - v[..., 2:] / 2, v[..., :2] + v[..., 2:] / 2], -1)


def padded(results, most, columns, fill=0.0):
    """Column `columns` of each image's results, filled up."""
    shape = (len(results), most) + ((4,) if columns == 2 else ())
    out = np.full(shape, fill)
    for i, kept in enumerate(results):
        for k, c in enumerate(kept[:most]):
            out[i, k] = c[columns]
    return out


def check(got, results, most, fill=0.0):
    np.testing.assert_array_equal(got[0], [[min(len(r), most)] for r in results])
    for column, array in ((2, got[1]), (0, got[2]), (1, got[3])):
        close(array, padded(results, most, column, fill if column == 1 else 0.0))


# ---- EfficientNMS ----


@pytest.mark.parametrize("coding", [0, 1])
@pytest.mark.parametrize("anchored", [False, True])
@pytest.mark.parametrize("agnostic", [0, 1])
def test_efficient_nms(coding, anchored, agnostic):
    rng = np.random.default_rng(4 * coding + 2 * anchored + agnostic)
    scores = rng.standard_normal((2, 30, 3)).astype(F32)
    boxes, inputs = random_boxes(rng, 2, 30), {}
    decoded = boxes
    if coding:
        boxes = np.concatenate([(boxes[..., :2] + boxes[..., 2:]) / 2,
                                boxes[..., 2:] - boxes[..., :2]], -1)
        decoded = corners(boxes)
    if anchored:
        anchors, offsets = boxes, (rng.standard_normal(boxes.shape) * 0.1).astype(F32)
        inputs["anchors"] = anchors
        boxes = offsets
        if coding:
            decoded = corners(np.concatenate(
                [offsets[..., :2] * anchors[..., 2:] + anchors[..., :2],
                 np.exp(offsets[..., 2:]) * anchors[..., 2:]], -1))
        else:
            decoded = anchors + offsets
            decoded = np.concatenate([np.minimum(decoded[..., :2], decoded[..., 2:]),
                                      np.maximum(decoded[..., :2], decoded[..., 2:])], -1)
    results = [greedy([(sigmoid(scores[i, b, c]), c, decoded[i, b]) for b in range(30)
                       for c in (0, 2) if sigmoid(scores[i, b, c]) >= 0.4], 0.3, agnostic, 9)
               for i in range(2)]
    got = run("EfficientNMS_TRT", {"boxes": boxes, "scores": scores, **inputs}, DETECTIONS,
              score_threshold=0.4, iou_threshold=0.3, max_output_boxes=9, background_class=1,
              score_activation=1, class_agnostic=agnostic, box_coding=coding)
    check(got, results, 9)


def test_efficient_nms_of_boxes_for_each_class():
    rng = np.random.default_rng(11)
    boxes, scores = random_boxes(rng, 1, 12, 2), rng.random((1, 12, 2)).astype(F32)
    results = [greedy([(scores[0, b, c], c, boxes[0, b, c]) for b in range(12) for c in range(2)],
                      0.2, most=100)]
    got = run("EfficientNMS_TRT", {"boxes": boxes, "scores": scores}, DETECTIONS,
              score_threshold=0.0, iou_threshold=0.2, max_output_boxes=100)
    check(got, results, 100)
    with pytest.raises(whet.Error, match="boxes of classes: 2 is not 3"):
        run("EfficientNMS_TRT", {"boxes": boxes, "scores": np.zeros((1, 12, 3), F32)}, DETECTIONS,
            max_output_boxes=100)


def test_efficient_nms_without_boxes():
    got = run("EfficientNMS_TRT", {"boxes": np.zeros((2, 0, 4), F32),
                                   "scores": np.zeros((2, 0, 3), F32)}, DETECTIONS,
              max_output_boxes=3)
    check(got, [[], []], 3)


@pytest.mark.parametrize("name", ["EfficientNMS_Explicit_TF_TRT", "EfficientNMS_Implicit_TF_TRT"])
@pytest.mark.parametrize("pad", [0, 1])
def test_efficient_nms_of_tensorflow(name, pad):
    rng = np.random.default_rng(pad)
    boxes, scores = random_boxes(rng, 2, 20, 1, size=1.2), rng.random((2, 20, 3)).astype(F32)
    results = [[(s, c, np.clip(b, 0, 1)) for s, c, b in greedy(
        [(scores[i, b, c], c, boxes[i, b, 0]) for b in range(20) for c in range(3)
         if scores[i, b, c] >= 0.2], 0.4, most=11, each=3)] for i in range(2)]
    got = run(name, {"boxes": boxes, "scores": scores}, DETECTIONS, max_output_size_per_class=3,
              max_total_size=11, iou_threshold=0.4, score_threshold=0.2, pad_per_class=pad,
              clip_boxes=1)
    check(got, results, 9 if pad else 11)


@pytest.mark.parametrize("center", [0, 1])
def test_efficient_nms_of_onnx(center):
    rng = np.random.default_rng(5 + center)
    boxes, scores = random_boxes(rng, 2, 15), rng.random((2, 3, 15)).astype(F32)
    shown = corners(boxes) if center else boxes
    want = []
    for i in range(2):
        kept = greedy([(scores[i, c, b], c, shown[i, b], b) for b in range(15) for c in range(3)
                       if scores[i, c, b] >= 0.3], 0.25, each=4)
        want += [[i, c, b] for _, c, _, b in kept]
    got, = run("EfficientNMS_ONNX_TRT", {"boxes": boxes, "scores": scores}, (I32,),
               score_threshold=0.3, iou_threshold=0.25, max_output_boxes_per_class=4,
               center_point_box=center)
    want += [want[-1]] * (24 - len(want))
    np.testing.assert_array_equal(got, want)


# ---- BatchedNMS, SSD ----


def by_class(candidates, classes, top, iou, keep, one=0.0):
    kept = []
    for c in range(classes):
        best = sorted((d for d in candidates if d[1] == c), key=lambda d: -d[0])[:top]
        kept += greedy(best, iou, one=one)
    return sorted(kept, key=lambda d: -d[0])[:keep]


@pytest.mark.parametrize("name", ["BatchedNMS_TRT", "BatchedNMSDynamic_TRT"])
@pytest.mark.parametrize("shared", [0, 1])
@pytest.mark.parametrize("normalized", [0, 1])
def test_batched_nms(name, shared, normalized):
    rng = np.random.default_rng(shared + 2 * normalized)
    boxes = random_boxes(rng, 2, 25, 1 if shared else 3, size=1.3 if normalized else 60)
    scores = rng.random((2, 25, 3)).astype(F32)
    results = []
    for i in range(2):
        kept = by_class([(scores[i, b, c], c, boxes[i, b, 0 if shared else c]) for b in range(25)
                         for c in (1, 2) if scores[i, b, c] > 0.3], 3, 12, 0.3, 7,
                        0.0 if normalized else 1.0)
        results.append([(s, c, np.clip(b, 0, 1) if normalized else b) for s, c, b in kept])
    got = run(name, {"boxes": boxes, "scores": scores}, (I32, F32, F32, F32), numClasses=3,
              shareLocation=shared, backgroundLabelId=0, topK=12, keepTopK=7, scoreThreshold=0.3,
              iouThreshold=0.3, isNormalized=normalized, clipBoxes=normalized)
    check(got, results, 7, fill=-1.0)


def decode(code, v, prior, variance):
    size, middle = prior[2:] - prior[:2], (prior[:2] + prior[2:]) / 2
    d = v * variance
    if code == 3:
        d = d[[1, 0, 3, 2]]
    if code in (0, 2):
        unit = np.ones(4) if code == 0 else np.concatenate([size, size])
        return prior + d * unit
    at, half = middle + d[:2] * size, np.exp(d[2:]) * size / 2
    return np.concatenate([at - half, at + half])


@pytest.mark.parametrize("code", range(4))
@pytest.mark.parametrize("name", ["NMS_TRT", "NMSDynamic_TRT"])
def test_ssd_nms(name, code):
    rng = np.random.default_rng(code)
    shared, encoded = code % 2, int(code == 2)
    priors = random_boxes(rng, 10)
    variances = np.tile(np.array([0.1, 0.15, 0.2, 0.25], F32), (10, 1))
    loc = rng.standard_normal((2, 10, 1 if shared else 3, 4)).astype(F32)
    conf = rng.standard_normal((2, 10, 3)).astype(F32)
    results = []
    for i in range(2):
        found = [(sigmoid(conf[i, b, c]), c,
                  decode(code, loc[i, b, 0 if shared else c].astype(np.float64),
                         priors[b].astype(np.float64), 1.0 if encoded else variances[b]))
                 for b in range(10) for c in (1, 2) if sigmoid(conf[i, b, c]) > 0.2]
        results.append(by_class(found, 3, 8, 0.4, 6))
    both = np.stack([priors, variances]).reshape(1, 2, 40, 1)
    got = run(name, {"loc": loc.reshape(2, -1, 1, 1), "prior": both,
                     "conf": conf.reshape(2, -1, 1, 1)}, (F32, I32), inputOrder=[0, 2, 1],
              shareLocation=shared, varianceEncodedInTarget=encoded, backgroundLabelId=0,
              numClasses=3, topK=8, keepTopK=6, confidenceThreshold=0.2, nmsThreshold=0.4,
              confSigmoid=1, isNormalized=1, codeType=code)
    want = np.zeros((2, 1, 6, 7))
    for i, kept in enumerate(results):
        want[i, 0, :, :2] = i, -1
        for k, (score, label, box) in enumerate(kept):
            want[i, 0, k] = [i, label, score, *box]
    close(got[0], want)
    np.testing.assert_array_equal(got[1].ravel(), [len(r) for r in results])


@pytest.mark.parametrize("flip", [0, 1])
def test_prior_box(flip):
    attrs = {"minSize": [30.0, 50.0], "maxSize": [60.0, 90.0], "aspectRatios": [1.0, 2.0, 3.0],
             "flip": flip, "clip": 1, "variance": [0.1, 0.1, 0.2, 0.2], "offset": 0.5}
    rows = []
    for y in range(2):
        for x in range(3):
            cx, cy = (x + 0.5) * 100 / 3, (y + 0.5) * 40
            for small, large in ((30, 60), (50, 90)):
                sizes = [(small, small), (math.sqrt(small * large),) * 2]
                for r in (2, 1 / 2, 3, 1 / 3) if flip else (2, 3):
                    sizes.append((small * math.sqrt(r), small / math.sqrt(r)))
                rows += [[(cx - w / 2) / 100, (cy - h / 2) / 80, (cx + w / 2) / 100,
                          (cy + h / 2) / 80] for w, h in sizes]
    want = np.clip(np.array(rows), 0, 1).ravel()
    want = np.stack([want, np.tile([0.1, 0.1, 0.2, 0.2], len(rows))])[None, :, :, None]
    feature, image = np.zeros((1, 4, 2, 3), F32), np.zeros((1, 3, 80, 100), F32)
    close(run("PriorBox_TRT", {"feature": feature, "image": image}, **attrs)[0], want)
    close(run("PriorBox_TRT", {"feature": feature}, imgH=80, imgW=100, stepH=40.0,
              stepW=100 / 3, **attrs)[0], want)


@pytest.mark.parametrize("name", ["GridAnchor_TRT", "GridAnchorRect_TRT"])
def test_grid_anchor(name):
    layers, ratios = [(3, 3), (2, 2), (1, 1)], [1.0, 2.0, 0.5, 3.0]
    shapes = [3, 2, 1]
    if name == "GridAnchorRect_TRT":
        layers = [(3, 4), (2, 3), (1, 1)]
        shapes = [n for layer in layers for n in layer]
    scales = [0.2, 0.5, 0.8, 1.0]
    got = run(name, {}, (F32,) * 3, numLayers=3, minSize=0.2, maxSize=0.8, aspectRatios=ratios,
              variance=[0.1, 0.1, 0.2, 0.2], featureMapShapes=shapes)
    for i, (h, w) in enumerate(layers):
        kinds = [(0.1, 1), (0.2, 2), (0.2, 0.5)]
        if i:
            kinds = [(scales[i], r) for r in ratios] + [(math.sqrt(scales[i] * scales[i + 1]), 1)]
        rows = [[(x + 0.5) / w - s * math.sqrt(r) / 2, (y + 0.5) / h - s / math.sqrt(r) / 2,
                 (x + 0.5) / w + s * math.sqrt(r) / 2, (y + 0.5) / h + s / math.sqrt(r) / 2]
                for y in range(h) for x in range(w) for s, r in kinds]
        want = np.stack([np.array(rows).ravel(), np.tile([0.1, 0.1, 0.2, 0.2], len(rows))])
        close(got[i], want[None, :, :, None])


# ---- cropping ----


def bilinear(plane, y, x):
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, plane.shape[0] - 1), min(x0 + 1, plane.shape[1] - 1)
    top = plane[y0, x0] * (1 - (x - x0)) + plane[y0, x1] * (x - x0)
    low = plane[y1, x0] * (1 - (x - x0)) + plane[y1, x1] * (x - x0)
    return top * (1 - (y - y0)) + low * (y - y0)


@pytest.mark.parametrize("name,version", [("CropAndResize", "1"), ("CropAndResizeDynamic", "1"),
                                          ("CropAndResizeDynamic", "2")])
@pytest.mark.parametrize("size", [(3, 4), (1, 2)])
def test_crop_and_resize(name, version, size):
    rng = np.random.default_rng(1)
    maps = rng.standard_normal((2, 3, 6, 7)).astype(F32)
    rois = random_boxes(rng, 2, 4)
    rois[0, 0] = [-0.3, 0.1, 0.5, 1.4]  # outside of the map: 0
    want = np.zeros((2, 4, 3, *size))

    def places(low, high, count, side):
        if count == 1:
            return [0.5 * (low + high) * (side - 1)]
        return [low * (side - 1) + i * (high - low) * (side - 1) / (count - 1)
                for i in range(count)]

    for n, r, c in np.ndindex(2, 4, 3):
        y1, x1, y2, x2 = rois[n, r].astype(np.float64)
        for i, y in enumerate(places(y1, y2, size[0], 6)):
            for k, x in enumerate(places(x1, x2, size[1], 7)):
                if 0 <= y <= 5 and 0 <= x <= 6:
                    want[n, r, c, i, k] = bilinear(maps[n, c].astype(np.float64), y, x)
    got, = run(name, {"maps": maps, "rois": rois[..., None]}, version=version,
               crop_height=size[0], crop_width=size[1])
    close(got, want)


def test_multilevel_crop_and_resize():
    rng = np.random.default_rng(2)
    maps = {f"p{i + 2}": rng.standard_normal((1, 2, 1024 >> i + 2, 1024 >> i + 2)).astype(F32)
            for i in range(5)}
    rois = np.array([[[10, 20, 60, 90], [0, 0, 150, 150], [5, 5, 300, 400], [0, 100, 600, 700],
                      [0, 0, 1020, 1000], [50, 50, 40, 60], [0, 0, 2000, 20]]], F32)
    want = np.zeros((1, 7, 2, 3, 3))
    for r in range(5):
        y1, x1, y2, x2 = rois[0, r].astype(np.float64)
        level = sum((y2 - y1) * (x2 - x1) > 112 ** 2 * 4 ** k for k in range(4))
        stride, planes = 4 << level, maps[f"p{level + 2}"][0]
        assert level == r
        last = planes.shape[1] - 1
        for c, i, k in np.ndindex(2, 3, 3):
            y = np.clip((y1 + (i + 0.5) * (y2 - y1) / 3) / stride, 0, last)
            x = np.clip((x1 + (k + 0.5) * (x2 - x1) / 3) / stride, 0, last)
            want[0, r, c, i, k] = bilinear(planes[c].astype(np.float64), y, x)
    got, = run("MultilevelCropAndResize_TRT", {"roi": rois, **maps}, pooled_size=3,
               image_size=[3, 1024, 1024])
    close(got, want, 1e-4)


@pytest.mark.parametrize("mode", [0, 1])
@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize("ratio", [0, 2])
def test_roi_align(mode, half, ratio):
    from onnx import TensorProto, helper
    import onnxruntime

    rng = np.random.default_rng(mode + 2 * half)
    x = rng.standard_normal((2, 3, 8, 9)).astype(F32)
    rois = random_boxes(rng, 4, size=16.0)
    batch = np.array([0, 1, 1, 0], np.int64)
    attrs = {"output_height": 3, "output_width": 2, "sampling_ratio": ratio, "spatial_scale": 0.5}
    node = helper.make_node(
        "RoiAlign", ["x", "rois", "batch"], ["y"], mode=["max", "avg"][mode],
        coordinate_transformation_mode=["output_half_pixel", "half_pixel"][half], **attrs)
    types = (TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.INT64)
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info(n, t, a.shape)
                      for n, t, a in zip(("x", "rois", "batch"), types, (x, rois, batch))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    reference = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 16)])
    session = onnxruntime.InferenceSession(reference.SerializeToString())
    want, = session.run(None, {"x": x, "rois": rois, "batch": batch})
    for version in ("1", "2"):
        got, = run("ROIAlign_TRT", {"x": x, "rois": rois, "batch": batch.astype(I32)},
                   version=version, mode=mode, coordinate_transformation_mode=half, **attrs)
        close(got, want)
    with pytest.raises(whet.Error, match="image 2 of 2"):
        run("ROIAlign_TRT", {"x": x, "rois": rois, "batch": np.array([0, 1, 2, 0], I32)}, **attrs)


# ---- proposals ----


@pytest.mark.parametrize("name", ["Proposal", "ProposalDynamic"])
def test_proposal(name):
    rng = np.random.default_rng(7)
    sizes, ratios = [32.0, 64.0], [0.5, 1.0, 2.0]
    scores = rng.random((2, 6, 3, 4)).astype(F32)
    deltas = (rng.standard_normal((2, 24, 3, 4)) * 0.3).astype(F32)
    want = np.zeros((2, 8, 4, 1))
    for n in range(2):
        found = []
        for a, h, w in np.ndindex(6, 3, 4):
            s, r = sizes[a // 3], ratios[a % 3]
            size = np.array([s * r, s / r])
            d = deltas[n, a * 4:a * 4 + 4, h, w].astype(np.float64)
            middle = (np.array([w, h]) + 0.5) * 16 + size * d[:2]
            half = size * np.exp(d[2:]) / 2
            box = np.clip(np.concatenate([middle - half, middle + half]), 0, [63, 47] * 2)
            if (box[2:] - box[:2] > 4).all():
                found.append((scores[n, a, h, w], 0, box))
        best = sorted(found, key=lambda c: -c[0])[:30]
        for k, (_, _, box) in enumerate(greedy(best, 0.6, most=8, one=1.0)):
            want[n, k, :, 0] = box[[1, 0, 3, 2]] / [47, 63, 47, 63]
    attrs = {"rpn_stride": 16, "roi_min_size": 4.0, "nms_iou_threshold": 0.6, "pre_nms_top_n": 30,
             "post_nms_top_n": 8, "anchor_sizes": sizes, "anchor_ratios": ratios}
    inputs = {"scores": scores, "deltas": deltas}
    close(run(name, inputs, input_height=48, input_width=64, **attrs)[0], want)
    attrs["post_nms_top_N"] = attrs.pop("post_nms_top_n")
    close(run(name, {**inputs, "image": np.zeros((2, 3, 48, 64), F32)}, **attrs)[0], want)


def pyramid(size, first):
    """(stride, y, x) of all cells, a list a level."""
    return [[(s, y, x) for y in range(first(s), size, s) for x in range(first(s), size, s)]
            for s in (4, 8, 16, 32, 64)]


def test_proposal_layer():
    rng = np.random.default_rng(8)
    anchors = []
    for scale, level in zip((32, 64, 128, 256, 512), pyramid(64, lambda s: 0)):
        for _, y, x in level:
            for r in (0.5, 1, 2):
                size = np.array([scale / math.sqrt(r), scale * math.sqrt(r)])
                low = np.array([y, x]) - size / 2
                anchors.append(np.concatenate([low, low + size - 1]) / 63)
    anchors = np.array(anchors)
    scores = rng.random((2, len(anchors), 2, 1)).astype(F32)
    deltas = rng.standard_normal((2, len(anchors), 4, 1)).astype(F32)
    want = np.zeros((2, 10, 4))
    for n in range(2):
        size, middle = anchors[:, 2:] - anchors[:, :2], (anchors[:, :2] + anchors[:, 2:]) / 2
        d = deltas[n, :, :, 0].astype(np.float64)
        middle, half = middle + 0.1 * d[:, :2] * size, size * np.exp(0.2 * d[:, 2:]) / 2
        boxes = np.clip(np.concatenate([middle - half, middle + half], 1), 0, 1)
        best = np.argsort(-scores[n, :, 1, 0])[:100]
        kept = greedy([(scores[n, i, 1, 0], 0, boxes[i].astype(F32)) for i in best], 0.5, most=10)
        for k, c in enumerate(kept):
            want[n, k] = c[2]
    attrs = {"prenms_topk": 100, "keep_topk": 10, "iou_threshold": 0.5, "image_size": [3, 64, 64]}
    got, = run("ProposalLayer_TRT", {"score": scores, "delta": deltas}, **attrs)
    close(got, want)
    with pytest.raises(whet.Error, match="anchors: 3 is not"):
        run("ProposalLayer_TRT", {"score": scores[:, :3], "delta": deltas[:, :3]}, **attrs)


def refine(box, d, height, width):
    size = box[2:] - box[:2] + 1
    middle = box[:2] + size / 2 + d[:2] * size
    size = size * np.exp(np.minimum(d[2:], math.log(1000 / 16)))
    low = middle - size / 2
    return np.clip(np.concatenate([low, low + size - 1]), 0, [height - 1, width - 1] * 2)


def test_multilevel_propose_roi():
    rng, inputs, found = np.random.default_rng(9), {}, []
    for i, level in enumerate(pyramid(64, lambda s: s // 2)):
        anchors = []
        for s, y, x in level:
            for h, w in ((1, 1), (0.7, 1.4), (1.4, 0.7)):
                size = np.array([h, w], F32).astype(np.float64) * 8 * s
                anchors.append(np.concatenate([np.array([y, x]) - size / 2,
                                               np.array([y, x]) + size / 2]))
        scores = rng.random((1, len(anchors), 1, 1)).astype(F32)
        deltas = (rng.standard_normal((1, len(anchors), 4, 1)) * 0.3).astype(F32)
        inputs |= {f"delta{i}": deltas, f"score{i}": scores}
        best = sorted(((scores[0, a, 0, 0],
                        0, refine(box, deltas[0, a, :, 0].astype(np.float64), 64, 64).astype(F32))
                       for a, box in enumerate(anchors) if scores[0, a, 0, 0] >= 0.2),
                      key=lambda c: -c[0])[:40]
        found += greedy(best, 0.4, most=9)
    want = np.zeros((1, 9, 4))
    for k, c in enumerate(sorted(found, key=lambda c: -c[0])[:9]):
        want[0, k] = c[2]
    got, = run("MultilevelProposeROI_TRT", inputs, prenms_topk=40, keep_topk=9, fg_threshold=0.2,
               iou_threshold=0.4, image_size=[3, 64, 64])
    close(got, want)


def test_generate_detection():
    rng = np.random.default_rng(10)
    rois = random_boxes(rng, 2, 20, size=100.0)
    scores = rng.random((2, 20, 4)).astype(F32)
    deltas = rng.standard_normal((2, 20, 16)).astype(F32)
    want = np.zeros((2, 6, 6))
    for n in range(2):
        found = []
        for r in range(20):
            c = int(scores[n, r].argmax())
            d = deltas[n, r, 4 * c:4 * c + 4].astype(np.float64) / [10, 10, 5, 5]
            if c and scores[n, r, c] >= 0.6:
                box = refine(rois[n, r].astype(np.float64), d, 100, 120)
                found.append((scores[n, r, c], c, box.astype(F32)))
        for k, (score, c, box) in enumerate(greedy(found, 0.3, most=6)):
            want[n, k] = [*box, c, score]
    got, = run("GenerateDetection_TRT", {"delta": deltas[..., None, None],
                                         "score": scores[..., None, None], "roi": rois},
               num_classes=4, keep_topk=6, score_threshold=0.6, iou_threshold=0.3,
               image_size=[3, 100, 120])
    close(got, want)
