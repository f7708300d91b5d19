// SPDX-License-Identifier: Apache-2.0
// What an import found, as text for people and as JSON for tools.
#include <string.h>

#include "onnx/import.h"

static const char *domain_text(const char *domain) { return *domain ? domain : "ai.onnx"; }

// Calls line(user, name, type) for each "name: type" line; names may hold anything but line ends.
static void each_line(const char *lines, void (*line)(whet_str *out, const char *text, size_t n),
                      whet_str *out) {
    while (*lines) {
        size_t n = strcspn(lines, "\n");
        line(out, lines, n);
        lines += n + (lines[n] == '\n');
    }
}

// ---- text ----

static void text_line(whet_str *out, const char *text, size_t n) {
    whet_str_add(out, "  ");
    whet_str_add_n(out, text, n);
    whet_str_add(out, "\n");
}

static void text_head(const whet_import *m, whet_str *out) {
    whet_str_printf(out, "producer: %s\nIR version: %lld\nopsets:",
                    *m->producer ? m->producer : "unknown", (long long)m->ir_version);
    for (int32_t i = 0; i < m->n_opsets; i++)
        whet_str_printf(out, "%s %s %lld", i ? "," : "", domain_text(m->opsets[i].domain),
                        (long long)m->opsets[i].version);
    whet_str_add(out, "\ninputs:\n");
    each_line(m->inputs_text, text_line, out);
    whet_str_add(out, "outputs:\n");
    each_line(m->outputs_text, text_line, out);
}

static void text_ops(const whet_import *m, whet_str *out) {
    whet_str_add(out, "operators:\n");
    for (int32_t i = 0; i < m->n_op_counts; i++) {
        const whet_import_op_count *c = &m->op_counts[i];
        whet_str_printf(out, "  %6lld %s%s%s%s\n", (long long)c->count, c->domain,
                        *c->domain ? "." : "", c->op_type, c->supported ? "" : " (not supported)");
    }
}

static void text_problem(const whet_problem_report *p, whet_str *out) {
    if (p->node)
        whet_str_printf(out, "  node '%s' (%s%s%s, opset %lld, inputs %s): ", p->node, p->domain,
                        *p->domain ? "." : "", p->op_type, (long long)p->version,
                        *p->shapes ? p->shapes : "none");
    else
        whet_str_add(out, "  ");
    whet_str_printf(out, "%s [%s]\n", p->text, whet_status_text(p->status));
}

static void report_text(const whet_import *m, whet_str *out) {
    text_head(m, out);
    text_ops(m, out);
    if (!m->n_found) {
        whet_str_add(out, "problems: none\n");
        return;
    }
    whet_str_printf(out, "problems: %lld\n", (long long)m->n_found);
    for (int32_t i = 0; i < m->n_problems; i++) text_problem(&m->problems[i], out);
    if (m->n_found > m->n_problems)
        whet_str_printf(out, "  ... and %lld more\n", (long long)(m->n_found - m->n_problems));
}

// ---- JSON ----

static void json_line(whet_str *out, const char *text, size_t n) {
    whet_str line;
    whet_str_init(&line);
    whet_str_add_n(&line, text, n);
    whet_json_text(out, NULL, whet_str_text(&line));
    out->failed |= line.failed;
    whet_str_fini(&line);
}

static void json_head(const whet_import *m, whet_str *out) {
    whet_json_text(out, "producer", m->producer);
    whet_json_int(out, "ir_version", m->ir_version);
    whet_json_array(out, "opsets");
    for (int32_t i = 0; i < m->n_opsets; i++) {
        whet_json_object(out, NULL);
        whet_json_text(out, "domain", domain_text(m->opsets[i].domain));
        whet_json_int(out, "version", m->opsets[i].version);
        whet_json_end_object(out);
    }
    whet_json_end_array(out);
    whet_json_array(out, "inputs");
    each_line(m->inputs_text, json_line, out);
    whet_json_end_array(out);
    whet_json_array(out, "outputs");
    each_line(m->outputs_text, json_line, out);
    whet_json_end_array(out);
}

static void json_ops(const whet_import *m, whet_str *out) {
    whet_json_array(out, "operators");
    for (int32_t i = 0; i < m->n_op_counts; i++) {
        const whet_import_op_count *c = &m->op_counts[i];
        whet_json_object(out, NULL);
        whet_json_text(out, "domain", domain_text(c->domain));
        whet_json_text(out, "op_type", c->op_type);
        whet_json_int(out, "count", c->count);
        whet_json_bool(out, "supported", c->supported);
        whet_json_end_object(out);
    }
    whet_json_end_array(out);
}

static void json_problem(const whet_problem_report *p, whet_str *out) {
    whet_json_object(out, NULL);
    whet_json_text(out, "status", whet_status_name(p->status));
    if (p->node) {
        whet_json_text(out, "node", p->node);
        whet_json_text(out, "op_type", p->op_type);
        whet_json_text(out, "domain", domain_text(p->domain));
        whet_json_int(out, "version", p->version);
        whet_json_text(out, "inputs", p->shapes);
    }
    whet_json_text(out, "text", p->text);
    whet_json_end_object(out);
}

static void report_json(const whet_import *m, whet_str *out) {
    whet_json_object(out, NULL);
    json_head(m, out);
    json_ops(m, out);
    whet_json_int(out, "problem_count", m->n_found);
    whet_json_array(out, "problems");
    for (int32_t i = 0; i < m->n_problems; i++) json_problem(&m->problems[i], out);
    whet_json_end_array(out);
    whet_json_end_object(out);
}

void whet_import_report(const whet_import *import, bool json, whet_str *out) {
    if (json) report_json(import, out);
    else report_text(import, out);
}
