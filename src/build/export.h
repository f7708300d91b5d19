// SPDX-License-Identifier: Apache-2.0
// IR graph to portable graph.
#ifndef WHET_BUILD_EXPORT_H
#define WHET_BUILD_EXPORT_H

#include "engine/pgraph.h"
#include "ir/graph.h"

// Contents of constants are borrowed from the IR graph.
whet_status whet_export_graph(const whet_graph *g, whet_pgraph **out, whet_error *err);

#endif
