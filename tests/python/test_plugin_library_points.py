# SPDX-License-Identifier: Apache-2.0
"""The plugin library against numpy: YOLOv2, SSD and Mask R-CNN helpers, PointPillars."""

import math

import numpy as np
import pytest

import whet
from plugin_model import close, run


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def test_moving():
    detections = normal(2, 5, 6)
    close(run("SpecialSlice_TRT", {"x": detections})[0], detections[..., :4])
    like, x = normal(3, 1, 1, 1), normal(1, 2, 3, 4)
    close(run("BatchTilePlugin_TRT", {"like": like, "x": x})[0], np.repeat(x, 3, 0))
    a, b = normal(2, 2, 2, 3), normal(2, 4, 1, 3)
    want = np.concatenate([a.reshape(2, -1), b.reshape(2, -1)], 1)[..., None, None]
    close(run("FlattenConcat_TRT", {"a": a, "b": b}, concatAxis=1, ignoreBatch=0)[0], want)


@pytest.mark.parametrize("version", ["1", "2"])
def test_reorg(version):
    x = np.arange(2 * 4 * 6 * 6, dtype=np.float32).reshape(2, 4, 6, 6)
    y, = run("Reorg_TRT", {"x": x}, version=version, stride=2)
    assert y.shape == (2, 16, 3, 3)
    # the example of the plugin's documentation
    assert y[0, 0].ravel().tolist() == [0, 2, 4, 6, 8, 10, 24, 26, 28]
    assert y[0, 4].ravel().tolist() == [1, 3, 5, 7, 9, 11, 25, 27, 29]
    assert y[1, 15].ravel().tolist() == [259, 261, 263, 277, 279, 281, 283, 285, 287]
    x = normal(1, 8, 4, 2)
    want = np.zeros(x.size, np.float32)
    read = x.reshape(2, 8, 4)  # [C / 4, 2 H, 2 W]
    for at, (k, j, i) in enumerate(np.ndindex(8, 4, 2)):
        want[at] = read[k % 2, j * 2 + k // 2 // 2, i * 2 + k // 2 % 2]
    close(run("Reorg_TRT", {"x": x}, version=version, stride=2)[0], want.reshape(1, 32, 2, 1))


def test_region():
    x = normal(2, 2 * 8, 3, 3)
    boxes = x.reshape(2, 2, 8, 3, 3).astype(np.float64)
    want = boxes.copy()
    for field in (0, 1, 4):
        want[:, :, field] = 1 / (1 + np.exp(-boxes[:, :, field]))
    powers = np.exp(boxes[:, :, 5:])
    want[:, :, 5:] = powers / powers.sum(2, keepdims=True)
    y, = run("Region_TRT", {"x": x}, num=2, coords=4, classes=3, C=16, H=3, W=3)
    close(y, want.reshape(x.shape))
    with pytest.raises(whet.Error, match="16 is not 24"):
        run("Region_TRT", {"x": x}, num=3, classes=3)


def test_voxel_generator():
    low, high, size = np.array([0, -4, -3.0]), np.array([8, 4, 1.0]), np.array([2, 2, 4.0])
    points = np.random.default_rng(0).uniform(-5, 9, (2, 40, 4)).astype(np.float32)
    points[..., 2] = points[..., 2] / 3 - 1
    valid, most, deep = np.array([40, 25], np.int32), 6, 3
    features = np.zeros((2, most, deep, 10))
    places, counts = np.zeros((2, most, 4), int), []
    for b in range(2):
        voxels = {}
        for point in points[b, :valid[b]].astype(np.float64):
            if not ((point[:3] >= low).all() and (point[:3] < high).all()):
                continue
            cell = tuple(np.floor((point[:3] - low) / size).astype(int))
            if cell not in voxels and len(voxels) == most:
                continue
            kept = voxels.setdefault(cell, [])
            if len(kept) < deep:
                kept.append(point)
        counts.append(len(voxels))
        for i, (cell, kept) in enumerate(voxels.items()):
            kept = np.array(kept)
            middle = low + (np.array(cell) + 0.5) * size
            features[b, i, :len(kept)] = np.concatenate(
                [kept, kept[:, :3] - kept[:, :3].mean(0), kept[:, :3] - middle], 1)
            places[b, i] = (b, *cell[::-1])
    got = run("VoxelGeneratorPlugin", {"points": points, "valid": valid},
              (np.float32, np.int32, np.int32), max_num_points_per_voxel=deep, max_voxels=most,
              point_cloud_range=[*low, *high], voxel_feature_num=10, voxel_size=[*size])
    close(got[0], features)
    assert (got[1] == places).all() and got[2].tolist() == counts and max(counts) == most


def test_pillar_scatter():
    voxels, valid = normal(2, 4, 3), np.array([4, 2], np.int32)
    places = np.zeros((2, 4, 4), np.int32)
    places[0, :, 2:] = [[0, 1], [2, 2], [4, 0], [1, 5]]
    places[1, :, 2:] = [[3, 3], [4, 5], [9, 9], [9, 9]]  # the last two do not count
    want = np.zeros((2, 3, 5, 6))
    for b in range(2):
        for p in range(valid[b]):
            want[b, :, places[b, p, 2], places[b, p, 3]] = voxels[b, p]
    inputs = {"voxels": voxels, "places": places, "valid": valid}
    close(run("PillarScatterPlugin", inputs, dense_shape=[5, 6])[0], want)
    with pytest.raises(whet.Error, match=r"pillar 2 lies at \(9, 9\) of 5 x 6"):
        run("PillarScatterPlugin", inputs | {"valid": np.array([4, 3], np.int32)},
            dense_shape=[5, 6])


def test_decode_bbox_3d():
    anchors = np.array([[3.9, 1.6, 1.56, 0], [3.9, 1.6, 1.56, 1.57], [0.8, 0.6, 1.73, 0],
                        [0.8, 0.6, 1.73, 1.57]])
    bottoms, area, threshold = [-1.78, -0.6], [0, -40, -3, 70, 40, 1.0], 0.6
    scores, deltas, directions = normal(2, 3, 5, 8), normal(2, 3, 5, 28), normal(2, 3, 5, 8)
    want, counts = np.zeros((2, 60, 9)), []
    for b in range(2):
        rows = []
        for y, x, a in np.ndindex(3, 5, 4):
            best = int(scores[b, y, x, 2 * a:2 * a + 2].argmax())
            score = 1 / (1 + math.exp(-scores[b, y, x, 2 * a + best]))
            if score < threshold:
                continue
            t = deltas[b, y, x, 7 * a:7 * a + 7].astype(np.float64)
            diagonal = math.hypot(anchors[a, 0], anchors[a, 1])
            turn = t[6] + anchors[a, 3] - 0.78539
            turn -= math.floor(turn / math.pi + 0.1) * math.pi
            side = int(directions[b, y, x, 2 * a:2 * a + 2].argmax())
            rows.append([t[0] * diagonal + x * 70 / 4, t[1] * diagonal - 40 + y * 80 / 2,
                         t[2] * anchors[a, 2] + anchors[a, 2] / 2 + bottoms[a // 2],
                         *np.exp(t[3:6]) * anchors[a, :3], turn + 0.78539 + math.pi * side, best,
                         score])
        want[b, :len(rows)] = rows
        counts.append(len(rows))
    boxes, found = run("DecodeBbox3DPlugin",
                       {"scores": scores, "deltas": deltas, "directions": directions},
                       (np.float32, np.int32), anchors=anchors.ravel().tolist(),
                       anchor_bottom_height=bottoms, dir_limit_offset=0.1, dir_offset=0.78539,
                       num_dir_bins=2, point_cloud_range=area, score_thresh=threshold)
    close(boxes, want)
    assert found.tolist() == counts


def overlap(a, b):
    sides = np.maximum(0, np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]))
    both = sides.prod()
    return both / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - both)


def test_detection_layer():
    rng = np.random.default_rng(0)
    regions, classes, keep = 40, 4, 9
    low = rng.uniform(0, 0.5, (2, regions, 2))
    roi = np.concatenate([low, low + rng.uniform(0.1, 0.5, low.shape)], 2).astype(np.float32)
    scores = rng.random((2, regions, classes)).astype(np.float32)
    deltas = normal(2, regions, 4 * classes)
    want = np.zeros((2, keep, 6))
    for b in range(2):
        found = []
        for r in range(regions):
            best = int(scores[b, r].argmax())
            if best == 0 or scores[b, r, best] < 0.6:
                continue
            box, delta = roi[b, r].astype(np.float64), deltas[b, r, 4 * best:4 * best + 4]
            size = box[2:] - box[:2]
            middle = box[:2] + size / 2 + 0.1 * delta[:2] * size
            size = size * np.exp(0.2 * delta[2:])
            box = np.clip(np.concatenate([middle - size / 2, middle + size / 2]), 0, 1)
            found.append((scores[b, r, best], best, box))
        kept = []
        for score, best, box in sorted(found, key=lambda f: -f[0]):
            if all(best != other or overlap(box, of) <= 0.3 for _, other, of in kept):
                kept.append((score, best, box))
        assert len(found) > len(kept)
        for i, (score, best, box) in enumerate(kept[:keep]):
            want[b, i] = (*box, best, score)
    y, = run("DetectionLayer_TRT",
             {"deltas": deltas[..., None, None], "scores": scores[..., None, None], "roi": roi},
             num_classes=classes, keep_topk=keep, score_threshold=0.6, iou_threshold=0.3)
    close(y, want)


def test_pyramid_roi_align():
    roi = np.array([[[0.1, 0.2, 0.9, 0.8], [0.3, 0.3, 0.35, 0.4], [0, 0, 0.2, 0.3],
                     [0.5, 0.5, 1.2, 0.9], [0.4, 0.4, 0.4, 0.4]]], np.float32)
    maps = [normal(1, 3, 64 >> i, 48 >> i) for i in range(4)]
    want = np.zeros((1, 5, 3, 4, 4))
    for r, (y1, x1, y2, x2) in enumerate(roi[0].astype(np.float64)):
        side = math.sqrt((y2 - y1) * (x2 - x1) * 256 * 192)
        level = 4 + round(math.log2(side / 56)) if side else 2
        plane = maps[min(5, max(2, level)) - 2][0].astype(np.float64)
        h, w = plane.shape[1:]
        for i, j in np.ndindex(4, 4):
            y = (y1 + i * (y2 - y1) / 3) * (h - 1)
            x = (x1 + j * (x2 - x1) / 3) * (w - 1)
            if not (0 <= y <= h - 1 and 0 <= x <= w - 1):
                continue
            top, left = int(y), int(x)
            bottom, right = min(top + 1, h - 1), min(left + 1, w - 1)
            upper = plane[:, top, left] * (1 - x + left) + plane[:, top, right] * (x - left)
            lower = plane[:, bottom, left] * (1 - x + left) + plane[:, bottom, right] * (x - left)
            want[0, r, :, i, j] = upper * (1 - y + top) + lower * (y - top)
    inputs = {"roi": roi} | {f"map{i}": array for i, array in enumerate(maps)}
    y, = run("PyramidROIAlign_TRT", inputs, pooled_size=4, fpn_scale=56.0,
             image_size=[3, 256, 192])
    close(y, want)
