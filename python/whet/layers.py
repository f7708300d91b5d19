# SPDX-License-Identifier: Apache-2.0
"""Layers under the names that users of other network APIs know, made of the library's operators.
docs/network.md has the table."""

import numpy as np

ACTIVATIONS = {
    "relu": ("relu",), "sigmoid": ("sigmoid",), "tanh": ("tanh",),
    "leaky_relu": ("leaky_relu", "alpha"), "elu": ("elu", "alpha"),
    "selu": ("selu", "alpha", "gamma"), "softsign": ("softsign",), "softplus": ("softplus",),
    "clip": ("clip", "min", "max"), "hard_sigmoid": ("hard_sigmoid", "alpha", "beta"),
    "thresholded_relu": ("thresholded_relu", "alpha"),
}
ELEMENTWISE = {
    "sum": "add", "prod": "mul", "max": "max", "min": "min", "sub": "sub", "div": "div",
    "pow": "pow", "and": "and", "or": "or", "xor": "xor", "equal": "equal", "greater": "greater",
    "less": "less",
}
UNARY = {
    "exp", "log", "sqrt", "abs", "neg", "sin", "cos", "tan", "sinh", "cosh", "asin", "acos", "atan",
    "asinh", "acosh", "atanh", "ceil", "floor", "erf", "not", "sign", "round",
}
UNARY_NAMES = {"recip": "reciprocal", "isinf": "is_inf", "isnan": "is_nan"}
REDUCE = {"sum": "reduce_sum", "prod": "reduce_prod", "max": "reduce_max", "min": "reduce_min",
          "avg": "reduce_mean"}


def _pads(padding, post):
    """ONNX's order: all beginnings, then all ends."""
    if padding is None:
        return None
    before = list(np.ravel(padding))
    return before + list(np.ravel(padding if post is None else post))


def _each(value, n):
    """A number stands for all n dimensions."""
    return None if value is None else [value] * n if np.ndim(value) == 0 else list(value)


class Layers:
    """The part of Network that composes."""

    # ---- windows ----

    def convolution(self, x, weights, bias=None, *, stride=None, padding=None, post_padding=None,
                    dilation=None, groups=1, auto_pad=None, name=None):
        """weights [outputs, inputs / groups, kernel...]. padding: a number for each dimension, or
        one for all; post_padding: where the ends differ. auto_pad: SAME_UPPER, SAME_LOWER."""
        return self._window("conv", x, weights, bias, stride, padding, post_padding, dilation,
                            groups, auto_pad, name)

    conv = convolution

    def deconvolution(self, x, weights, bias=None, *, stride=None, padding=None, post_padding=None,
                      dilation=None, groups=1, auto_pad=None, name=None):
        """weights [inputs, outputs / groups, kernel...]."""
        return self._window("conv_transpose", x, weights, bias, stride, padding, post_padding,
                            dilation, groups, auto_pad, name)

    def _window(self, op, x, weights, bias, stride, padding, post, dilation, groups, auto_pad,
                name):
        n = x.rank - 2
        return self.add_node(op, x, weights, bias, strides=_each(stride, n),
                             pads=_pads(_each(padding, n), _each(post, n)),
                             dilations=_each(dilation, n), group=groups, auto_pad=auto_pad,
                             name=name)

    def pooling(self, x, kind, window, *, stride=None, padding=None, post_padding=None,
                count_exclude_padding=True, ceil_mode=False, auto_pad=None, blend=0.0, name=None):
        """kind: "max", "average", or "max_average_blend": (1 - blend) * max + blend * average."""
        if kind == "max_average_blend":
            a, b = (self.pooling(x, k, window, stride=stride, padding=padding,
                                 post_padding=post_padding, ceil_mode=ceil_mode,
                                 count_exclude_padding=count_exclude_padding, auto_pad=auto_pad)
                    for k in ("max", "average"))
            return a * (1.0 - blend) + b * blend
        n = x.rank - 2
        attributes = {"kernel_shape": _each(window, n), "strides": _each(stride, n),
                      "pads": _pads(_each(padding, n), _each(post_padding, n)),
                      "ceil_mode": ceil_mode, "auto_pad": auto_pad}
        if kind == "average":
            attributes["count_include_pad"] = not count_exclude_padding
        op = {"max": "max_pool", "average": "average_pool"}[kind]
        return self.add_node(op, x, name=name, **attributes)

    def lrn(self, x, window, alpha=1e-4, beta=0.75, k=1.0, *, name=None):
        """x / (k + alpha / window * sum of squares over `window` channels) ** beta."""
        return self.add_node("lrn", x, size=window, alpha=alpha, beta=beta, bias=k, name=name)

    # ---- elementwise ----

    def activation(self, x, kind, alpha=None, beta=None, *, name=None):
        """kind: relu sigmoid tanh leaky_relu elu selu softsign softplus clip hard_sigmoid
        scaled_tanh thresholded_relu gelu_erf gelu_tanh; alpha and beta as the kind has them."""
        if kind in ("gelu_erf", "gelu_tanh"):
            return self.add_node("gelu", x, name=name,
                                 approximate="tanh" if kind == "gelu_tanh" else "none")
        if kind == "scaled_tanh":
            return self.tanh(x * float(1 if beta is None else beta)) * float(
                1 if alpha is None else alpha)
        op, *names = ACTIVATIONS[kind]
        given = {n: float(v) for n, v in zip(names, (alpha, beta)) if v is not None}
        return self.add_node(op, x, name=name, **given)

    def elementwise(self, a, b, kind):
        """kind: sum prod max min sub div pow floor_div and or xor equal greater less."""
        if kind == "floor_div":
            return self.floor_div(a, b)
        return self._binary(ELEMENTWISE[kind], a, b)

    def floor_div(self, a, b):
        """The quotient rounded down, of integers too."""
        if np.issubdtype((a if hasattr(a, "dtype") else b).dtype, np.integer):
            return self._binary("div", self._binary("sub", a, self._binary("mod", a, b)), b)
        return self.floor(self._binary("div", a, b))

    def unary(self, x, kind):
        """kind: exp log sqrt recip abs neg sin cos tan sinh cosh asin acos atan asinh acosh atanh
        ceil floor erf not sign round isinf isnan."""
        if kind not in UNARY and kind not in UNARY_NAMES:
            raise ValueError(f"there is no unary operation {kind!r}")
        return self.add_node(UNARY_NAMES.get(kind, kind), x)

    def scale(self, x, shift=None, scale=None, power=None, *, channel_axis=1):
        """(x * scale + shift) ** power; each a number, one a channel, or of x's shape."""
        def fit(v):
            v = np.asarray(v, x.dtype)
            return v.reshape([-1] + [1] * (x.rank - 1 - channel_axis)) if v.ndim == 1 else v

        y = x
        if scale is not None:
            y = y * fit(scale)
        if shift is not None:
            y = y + fit(shift)
        return y if power is None else y ** fit(power)

    def parametric_relu(self, x, slope):
        """x where positive, else slope * x."""
        return self.add_node("prelu", x, slope)

    def select(self, condition, a, b):
        """a where the condition holds, else b."""
        return self.add_node("where", condition, a, b)

    def cast(self, x, dtype):
        """Another data type."""
        return self.add_node("cast", x, to=np.dtype(dtype))

    # ---- along axes ----

    def softmax(self, x, axis=-1, *, name=None):
        """Over one axis, or over several together."""
        if np.ndim(axis) == 0:
            return self.add_node("softmax", x, axis=int(axis), name=name)
        e = self.exp(x - self.reduce(x, "max", axis, keep_dims=True))
        return e / self.reduce(e, "sum", axis, keep_dims=True)

    def ragged_softmax(self, x, bounds):
        """Over the first `bounds` elements of the last axis; the others become 0. bounds: integers,
        x's shape with 1 last."""
        size = self.subscript(self.shape(x), -1)
        mask = self.range(np.int64(0), size, np.int64(1)) < self.cast(bounds, np.int64)
        lowest = np.array(np.finfo(x.dtype).min, x.dtype)
        y = self.softmax(self.select(mask, x, lowest), -1)
        return self.select(mask, y, np.zeros((), x.dtype))

    def reduce(self, x, kind, axes, keep_dims=False):
        """kind: sum prod max min avg."""
        axes = np.atleast_1d(np.asarray(axes, np.int64))
        return self.add_node(REDUCE[kind], x, axes, keepdims=keep_dims)

    def topk(self, x, k, axis=-1, largest=True):
        """[values, indices] of the k largest or smallest. k: a number or a value of one element."""
        if not hasattr(k, "network"):
            k = np.array([k], np.int64)
        return self.add_node("top_k", x, k, axis=axis, largest=largest, outputs=2)

    def cumulative(self, x, axis, *, exclusive=False, reverse=False):
        """Sums of what comes before and at each element."""
        return self.add_node("cum_sum", x, np.int64(axis), exclusive=exclusive, reverse=reverse)

    def normalization(self, x, scale, bias, axes, *, groups=1, epsilon=1e-5):
        """(x - mean) / sqrt(variance + epsilon) * scale + bias, mean and variance over `axes` of
        each of `groups` groups of channels. scale and bias have x's rank, with 1 where they are the
        same."""
        if groups == 1:
            mean = self.reduce(x, "avg", axes, keep_dims=True)
            d = x - mean
            variance = self.reduce(d * d, "avg", axes, keep_dims=True)
            y = d / self.sqrt(variance + float(epsilon))
        else:
            channels = x.shape[1]
            one = np.ones(channels, x.dtype)
            y = self.add_node("group_norm", x, one, one * 0, num_groups=groups,
                              epsilon=float(epsilon))
        return y * scale + bias

    # ---- shapes ----

    def concatenation(self, *values, axis=0):
        """One behind the other."""
        return self.add_node("concat", *values, axis=axis)

    def shuffle(self, x, first_transpose=None, reshape=None, second_transpose=None, *,
                zero_is_placeholder=True):
        """Transposes, gives another shape, transposes. reshape: numbers (-1: the rest, 0: as it
        was) or a value."""
        if first_transpose is not None:
            x = self.add_node("transpose", x, perm=list(first_transpose))
        if reshape is not None:
            shape = reshape if hasattr(reshape, "network") else np.asarray(reshape, np.int64)
            x = self.add_node("reshape", x, shape, allowzero=not zero_is_placeholder)
        if second_transpose is not None:
            x = self.add_node("transpose", x, perm=list(second_transpose))
        return x

    def reshape(self, x, shape, **attributes):
        """Another shape: numbers or a value."""
        if not hasattr(shape, "network"):
            shape = np.asarray(shape, np.int64)
        return self.add_node("reshape", x, shape, **attributes)

    def transpose(self, x, *perm, **attributes):
        """Dimensions in another order, reversed without one."""
        if len(perm) == 1 and np.ndim(perm[0]) == 1:
            perm = perm[0]
        return self.add_node("transpose", x, perm=list(perm) or attributes.pop("perm", None),
                             **attributes)

    def squeeze(self, x, axes):
        """Without dimensions of 1."""
        return self.add_node("squeeze", x, np.atleast_1d(np.asarray(axes, np.int64)))

    def unsqueeze(self, x, axes):
        """With dimensions of 1 at these places of the result."""
        return self.add_node("unsqueeze", x, np.atleast_1d(np.asarray(axes, np.int64)))

    def split(self, x, sizes, axis=0):
        """Parts of these sizes along an axis."""
        return self.add_node("split", x, np.asarray(sizes, np.int64), axis=axis,
                             outputs=len(sizes))

    def subscript(self, x, index):
        """x[index] for integers, slices, None and Ellipsis."""
        index = index if isinstance(index, tuple) else (index,)
        axes = sum(i is not None and i is not Ellipsis for i in index)
        if Ellipsis in index:
            at = index.index(Ellipsis)
            index = index[:at] + (slice(None),) * (x.rank - axes) + index[at + 1:]
        starts, ends, steps, cut, drop, fresh, axis, at = [], [], [], [], [], [], 0, 0
        far = np.iinfo(np.int64).max
        for i in index:
            if i is None:
                fresh.append(at)
                at += 1
                continue
            if isinstance(i, slice):
                step = 1 if i.step is None else i.step
                if i != slice(None):
                    starts.append((0 if step > 0 else far) if i.start is None else i.start)
                    ends.append((far if step > 0 else -far) if i.stop is None else i.stop)
                    steps.append(step)
                    cut.append(axis)
                at += 1
            else:
                starts.append(int(i))
                ends.append(far if i == -1 else int(i) + 1)
                steps.append(1)
                cut.append(axis)
                drop.append(axis)
            axis += 1
        if cut:
            x = self.add_node("slice", x, *(np.array(v, np.int64)
                                            for v in (starts, ends, cut, steps)))
        if drop:
            x = self.squeeze(x, drop)
        return self.unsqueeze(x, fresh) if fresh else x

    def slice(self, x, start, size, stride=None, axes=None, *, mode="strict_bounds", fill=0):
        """Elements start + i * stride for i < size of each axis. mode says what lies outside:
        strict_bounds (nothing), fill, clamp, wrap or reflect."""
        axes = list(range(len(start))) if axes is None else list(axes)
        stride = [1] * len(start) if stride is None else stride
        if mode == "strict_bounds":
            return self._slice_inside(x, start, size, stride, axes)
        inside = None
        dims = self.shape(x)
        for a, first, n, step in zip(axes, start, size, stride):
            index = self.constant(first + np.arange(n, dtype=np.int64) * step)
            dim = self.subscript(dims, a)
            last = dim - 1
            if mode == "wrap":
                index = self.add_node("mod", index, dim)
            elif mode == "reflect":
                period = self.max(last * 2, np.int64(1))
                index = self.add_node("mod", index, period)
                index = self.min(index, period - index)
            elif mode == "fill":
                good = self.add_node("and", index >= 0, index < dim)
                good = self.reshape(good, [-1] + [1] * (x.rank - 1 - a % x.rank))
                inside = good if inside is None else self.add_node("and", inside, good)
            elif mode != "clamp":
                raise ValueError(f"there is no slice mode {mode!r}")
            index = self.min(self.max(index, np.int64(0)), last)
            x = self.add_node("gather", x, index, axis=a)
        return x if inside is None else self.select(inside, x, np.array(fill, x.dtype))

    def _slice_inside(self, x, start, size, stride, axes):
        far = np.iinfo(np.int64).min + 1
        ends = [f + n * s for f, n, s in zip(start, size, stride)]
        ends = [far if e < 0 and s < 0 else e for e, s in zip(ends, stride)]
        return self.add_node("slice", x, *(np.array(v, np.int64)
                                           for v in (start, ends, axes, stride)))

    def padding(self, x, pre, post, value=0.0):
        """`value` around the last dimensions; negative numbers cut."""
        axes = np.arange(x.rank - len(pre), x.rank, dtype=np.int64)
        return self.add_node("pad", x, np.array([*pre, *post], np.int64),
                             np.array(value, x.dtype), axes)

    def resize(self, x, *, size=None, scales=None, mode="nearest", transform="asymmetric",
               nearest="floor", cubic_coeff=-0.75, exclude_outside=False, name=None):
        """mode: nearest linear cubic; transform: align_corners asymmetric half_pixel ...; nearest:
        floor ceil round_prefer_floor round_prefer_ceil."""
        if size is not None and not hasattr(size, "network"):
            size = np.asarray(size, np.int64)
        if scales is not None and not hasattr(scales, "network"):
            scales = np.asarray(scales, np.float32)
        return self.add_node("resize", x, None, scales, size, mode=mode,
                             coordinate_transformation_mode=transform, nearest_mode=nearest,
                             cubic_coeff_a=float(cubic_coeff), exclude_outside=exclude_outside,
                             name=name)

    # ---- indices ----

    def gather(self, data, indices, axis=0, *, mode="default", batch_dims=0):
        """mode: default (slices at indices along axis), element, nd."""
        if not hasattr(indices, "network"):
            indices = np.asarray(indices, np.int64)
        if mode == "nd":
            return self.add_node("gather_nd", data, indices, batch_dims=batch_dims)
        op = {"default": "gather", "element": "gather_elements"}[mode]
        return self.add_node(op, data, indices, axis=axis)

    def scatter(self, data, indices, updates, axis=0, *, mode="element"):
        """data with updates at indices. mode: element, nd."""
        if mode == "nd":
            return self.add_node("scatter_nd", data, indices, updates)
        return self.add_node("scatter_elements", data, indices, updates, axis=axis)

    def fill(self, shape, kind="linspace", alpha=0.0, beta=1.0, *, seed=None, dtype=None):
        """kind: linspace (alpha + i * beta; beta a number an axis), random_uniform (from alpha to
        beta), random_normal (mean alpha, deviation beta)."""
        if kind != "linspace":
            first, second = {"random_uniform": ("low", "high"),
                             "random_normal": ("mean", "scale")}[kind]
            return self.add_node(kind, shape=list(shape), dtype=np.dtype(dtype or np.float32),
                                 seed=None if seed is None else float(seed),
                                 **{first: float(alpha), second: float(beta)})
        integers = isinstance(alpha, int) and np.issubdtype(np.asarray(beta).dtype, np.integer)
        dtype = np.dtype(dtype or (np.int64 if integers else np.float32))
        steps, total = np.atleast_1d(beta), None
        for axis, (n, step) in enumerate(zip(shape, steps)):
            count = n if hasattr(n, "network") else np.int64(n)
            line = self.cast(self.range(np.int64(0), count, np.int64(1)), dtype)
            line = self.reshape(line * step.item(), [-1] + [1] * (len(shape) - 1 - axis))
            total = line if total is None else total + line
        return total + alpha

    def one_hot(self, indices, values, depth, axis=-1):
        """values: [off, on]."""
        if not hasattr(depth, "network"):
            depth = np.int64(depth)
        return self.add_node("one_hot", indices, depth, values, axis=axis)

    def nms(self, boxes, scores, max_output_boxes, iou_threshold=0.0, score_threshold=None, *,
            center_size=False):
        """[selected, 3]: batch, class and box of the boxes kept."""
        return self.add_node("non_max_suppression", boxes, scores, np.int64(max_output_boxes),
                             np.float32(iou_threshold),
                             None if score_threshold is None else np.float32(score_threshold),
                             center_point_box=center_size)

    # ---- products ----

    def matmul(self, a, b, *, a_op=None, b_op=None, **attributes):
        """a_op and b_op: None, "transpose" (the last two dimensions), or "vector"."""
        a = self.unsqueeze(a, -2) if a_op == "vector" else a
        b = self.unsqueeze(b, -1) if b_op == "vector" else b
        y = self.add_node("matmul", a, b, transA=a_op == "transpose", transB=b_op == "transpose",
                          **attributes)
        axes = [-1] * (b_op == "vector")
        axes += [-2] * (a_op == "vector")
        return self.squeeze(y, axes) if axes else y

    def einsum(self, equation, *values):
        """Sums of products over the letters of the equation."""
        return self.add_node("einsum", *values, equation=equation)

    def moe(self, x, experts, scores, gate, up, down, *, activation="silu"):
        """A mixture of experts: for each token the sum of scores * down(act(gate x) * (up x)) over
        its experts. x [tokens, h]; experts, scores [tokens, k]; gate, up [e, h, i]; down [e, i, h];
        gate None: without it, act(up x)."""
        count = (up.shape if hasattr(up, "network") else np.shape(up))[0]
        chosen = self.one_hot(experts, np.array([0, 1], x.dtype), count)
        weights = self.reduce(chosen * self.unsqueeze(scores, -1), "sum", 1)
        weights = self.unsqueeze(self.transpose(weights, 1, 0), -1)
        rows = self.unsqueeze(x, 0)
        inner = self.matmul(rows, up)
        hidden = inner if gate is None else self.matmul(rows, gate)
        hidden = hidden * self.sigmoid(hidden) if activation == "silu" else self.activation(
            hidden, activation)
        hidden = hidden if gate is None else hidden * inner
        return self.reduce(self.matmul(hidden, down) * weights, "sum", 0)

    # ---- attention ----

    def attention(self, q, k, v, mask=None, *, causal=False, scale=None, softcap=None,
                  heads=None, kv_heads=None, **attributes):
        """Scaled dot products: q [b, heads, s, d], or [b, s, heads * d] with `heads` given."""
        return self.add_node("attention", q, k, v, mask, is_causal=causal, scale=scale,
                             softcap=softcap, q_num_heads=heads,
                             kv_num_heads=kv_heads if kv_heads is not None else heads,
                             **attributes)

    def kv_cache_update(self, cache, update, indices):
        """cache [b, heads, capacity, d] with update [b, heads, s, d] from indices [b] on."""
        length = self.subscript(self.shape(update), 2)
        steps = self.range(np.int64(0), length, np.int64(1))
        at = self.unsqueeze(self.cast(indices, np.int64), 1) + steps
        at = self.unsqueeze(at, [1, 3])
        at = self.add_node("expand", at, self.shape(update))
        return self.add_node("scatter_elements", cache, at, update, axis=2)

    # ---- numbers ----

    def quantize(self, x, scale, zero_point=None, axis=1, *, to=np.int8, block_size=None):
        """round(x / scale) + zero_point, saturated."""
        if zero_point is None:
            return self.add_node("quantize_linear", x, scale, axis=axis, block_size=block_size,
                                 output_dtype=np.dtype(to))
        return self.add_node("quantize_linear", x, scale, zero_point, axis=axis,
                             block_size=block_size)

    def dequantize(self, x, scale, zero_point=None, axis=1, *, block_size=None):
        """(x - zero_point) * scale."""
        return self.add_node("dequantize_linear", x, scale, zero_point, axis=axis,
                             block_size=block_size)

    def dynamic_quantize(self, x, axis, block_size, *, to=np.int8, largest=127.0):
        """[quantized, scales]: each block of an axis by the largest magnitude in it, which becomes
        `largest`. The axis must have a known size."""
        axis %= x.rank
        size = x.shape[axis]
        blocks = self.reshape(x, [0] * axis + [size // block_size, block_size]
                              + ([-1] if axis + 1 < x.rank else []))
        top = self.reduce(self.abs(blocks), "max", axis + 1, keep_dims=False)
        scales = self.max(top / float(largest), np.array(np.finfo(np.float32).tiny, x.dtype))
        if axis + 1 < x.rank:
            scales = self.reshape(scales, [0] * axis + [size // block_size]
                                  + [0 if isinstance(d, str) else d for d in x.shape[axis + 1:]])
        return [self.quantize(x, scales, axis=axis, to=to, block_size=block_size), scales]

    def assertion(self, x, condition, message=""):
        """x, when every element of the condition holds; else the run fails with the message."""
        return self.add_node("assert", x, condition, message=message)

    # ---- processes ----

    def dist_collective(self, x, kind):
        """A collective among one process, which is what an engine runs in: all_reduce, broadcast,
        reduce, all_gather, reduce_scatter, all_to_all, gather and scatter give what they get."""
        kinds = ("all_reduce", "broadcast", "reduce", "all_gather", "reduce_scatter", "all_to_all",
                 "gather", "scatter")
        if kind not in kinds:
            raise ValueError(f"there is no collective {kind!r}")
        return self.add_node("identity", x)
