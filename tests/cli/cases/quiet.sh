# SPDX-License-Identifier: Apache-2.0
# nothing is said without need
whet build data/add.onnx -o a.whet -q --level=1
whet tune a.whet -q --level=1
