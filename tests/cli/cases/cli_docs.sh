# SPDX-License-Identifier: Apache-2.0
# docs/cli.md is what the program prints: `whet help --markdown >docs/cli.md`
diff -u data/../../docs/cli.md <(whet help --markdown)
