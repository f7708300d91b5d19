# SPDX-License-Identifier: Apache-2.0
# a build that is killed leaves no part of an engine under its name
for delay in 0.002 0.004 0.006 0.008 0.01 0.015 0.02 0.03; do
    whet build data/microsoft.onnx -o a.whet --level=5 -q &
    sleep $delay
    kill -9 $! 2>/dev/null
    wait $! 2>/dev/null
    [ ! -e a.whet ] || whet inspect a.whet >/dev/null || echo "half an engine after $delay s"
    rm -f a.whet
done 2>/dev/null
echo done
