#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Models from exporters (docs/quick-start.md, step 1), for real: installs PyTorch, TensorFlow and
# scikit-learn in virtual environments of their own (gigabytes; not part of ./test.sh), exports
# networks with random weights and dynamic shapes, and compares whet with the frameworks. Its table
# is in docs/conformance.md. Needs what ./test.sh leaves behind.
# usage: check_exporters.sh [torch] [sklearn] [keras]     (default: all; EXPORT_FOLDER: where to)
set -eu
cd "$(dirname "$0")/.."
folder=${EXPORT_FOLDER:-build/exports}
mkdir -p "$folder/models"

venv() { # venv NAME PACKAGE...
    local name=$1
    shift
    [ -x "$folder/$name/bin/python" ] || python3 -m venv "$folder/$name"
    "$folder/$name/bin/pip" install -q --disable-pip-version-check "$@"
}

for framework in ${*:-torch sklearn keras}; do
    case $framework in
    torch) venv torch torch torchvision transformers onnx onnxscript ;;
    sklearn) venv sklearn scikit-learn skl2onnx pandas ;;
    keras) venv keras tensorflow-cpu tf2onnx "onnx==1.16.2" ;; # newer onnx breaks tf2onnx
    *)
        echo "check_exporters.sh: no framework '$framework'"
        exit 2
        ;;
    esac
    "$folder/$framework/bin/python" "scripts/models/export_$framework.py" "$folder/models"
done
.venv/bin/python scripts/models/check_cases.py "$folder/models"
