# SPDX-License-Identifier: Apache-2.0
# the list of commands, and one of a command
whet help
whet run --help | head -n 1
whet help nothing
echo "exit $?"
whet >/dev/null
echo "exit $?"
