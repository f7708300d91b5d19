// SPDX-License-Identifier: Apache-2.0
// The list of nodes, for the files of ir/ only.
#ifndef WHET_IR_LINK_H
#define WHET_IR_LINK_H

#include "ir/graph.h"

void whet_node_link(whet_node *n, whet_node *before); // NULL: at the end of n->graph
void whet_node_unlink(whet_node *n);
// Where the next recipe of g goes: its first node that is none; NULL: at the end.
whet_node *whet_graph_recipes_end(const whet_graph *g);

#endif
