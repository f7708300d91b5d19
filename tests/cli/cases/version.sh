# SPDX-License-Identifier: Apache-2.0
# what this is and what the machine offers
whet version
whet --version --json
whet version --cpumask=scalar --json -t 1
