// SPDX-License-Identifier: Apache-2.0
#include "kern/rnn/rnn_tmpl.h"
