# SPDX-License-Identifier: Apache-2.0
"""ONNX's backend interface, for its own test runner: prepare, run_model, supports_device."""

from collections import namedtuple

import numpy as np
from onnx.backend.base import Backend, BackendRep

from . import _whet
from .build import build

UNSUPPORTED = (_whet.WHET_E_UNSUPPORTED, _whet.WHET_E_VERSION)


class WhetRep(BackendRep):
    """A prepared model."""

    def __init__(self, engine):
        self.engine = engine
        self.context = engine.context()

    def run(self, inputs, **kwargs):
        names = list(self.engine.inputs)
        if isinstance(inputs, dict):
            fed = inputs
        else:
            if isinstance(inputs, np.ndarray):
                inputs = [inputs]
            fed = dict(zip(names, inputs))
        made = self.context.run(fed)
        return namedtuple("Outputs", made, rename=True)(*made.values())


class WhetBackend(Backend):
    """`level` and `verify` of build() may be given to prepare()."""

    @classmethod
    def prepare(cls, model, device="CPU", **kwargs):
        kwargs.setdefault("level", 0)
        kwargs.setdefault("verify", "off")
        if not cls.supports_device(device):
            raise ValueError(f"device {device}: only the CPU is available")
        try:
            return WhetRep(build(model, **kwargs))
        except _whet.Error as error:
            if error.status in UNSUPPORTED:
                from onnx.backend.test.runner import BackendIsNotSupposedToImplementIt
                raise BackendIsNotSupposedToImplementIt(str(error)) from error
            raise

    @classmethod
    def run_model(cls, model, inputs, device="CPU", **kwargs):
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def supports_device(cls, device):
        return device.split(":")[0] == "CPU"


prepare = WhetBackend.prepare
run_model = WhetBackend.run_model
supports_device = WhetBackend.supports_device
run_node = WhetBackend.run_node
is_compatible = WhetBackend.is_compatible
