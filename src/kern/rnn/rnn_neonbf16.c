// SPDX-License-Identifier: Apache-2.0
#ifdef __aarch64__
#include "kern/rnn/rnn_tmpl.h"
#endif
