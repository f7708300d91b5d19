# SPDX-License-Identifier: Apache-2.0
# figures as text and as JSON
whet bench data/add.onnx -q --level=0 --seconds=0.02 --warmup=0 --min-runs=5 --shapes=x:8x4 \
    --profile
whet bench data/add.onnx -q --level=0 --seconds=0 --warmup=0 --min-runs=3 --json
whet bench data/add.onnx -q --level=0 --seconds=0 --warmup=0 --min-runs=0 --json --profile -t 1
