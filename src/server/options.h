/* options.h -- the server's options, filled from file, environment and command line.
 *
 * Precedence: default < file < environment < command line.  options.def is the table.
 *
 * Memory:  texts live in the options' arena.
 * Threads: filled once at start, then read-only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "conf/bind.h"

enum { AUTH_MODE_AUTO, AUTH_MODE_ON, AUTH_MODE_OFF };
enum { STORE_KIND_DUCKDB, STORE_KIND_MEMORY };
enum { OPTIONS_ARENA_BYTES = 8 * 1024 * 1024 };

struct options {
    str data_dir, listen_grpc, listen_otlp, listen_api, tls_cert, tls_key, keys_dir, master_file,
        master_hex, price_overrides, mapping_file, tenants_file, external_url, external_endpoint,
        external_region, external_credentials, external_ca, retention_projects;
    int32_t auth_mode, log_level, log_format, store_kind, redact_pii, redact_identity,
        external_path_style;
    int64_t workers, flights_max, items_max, attrs_max, events_max, links_max, connections_max,
        streams_max, query_threads, queries_max, preview_chars_max, metric_values, metric_sets;
    int64_t body_bytes_max, plain_bytes_max, body_budget, request_memory, attr_value_bytes_max,
        header_bytes_max, segment_bytes_max, pending_bytes_max, log_bytes_max, disk_free_bytes_min,
        open_bytes_max, store_memory, sql_rows_max, sql_bytes_max, sql_memory, attr_cut_bytes_max,
        items_per_s, bytes_per_s, external_local_bytes, external_cache_bytes;
    double content_sample, debug_sample, objective_cost, objective_quality;
    int64_t head_timeout_ns, body_timeout_ns, idle_timeout_ns, group_wait_ns, settle_root_ns,
        settle_idle_ns, settle_max_ns, tick_ns, query_timeout_ns, sql_time_ns, burst_ns,
        objective_latency_ns, search_time_ns, external_after_ns, external_keep_ns,
        external_timeout_ns, retention_content_ns, retention_previews_ns, retention_spans_ns,
        retention_scores_ns, retention_rollups_ns, retention_every_ns;
    bool redact_name_kind, estimate_usage, query_sql, search_index;
    struct arena arena;
    struct binding binding;
};

/* argv without the sub-command: --config=FILE and --section.key=value.  environment:
 * as environ. */
MUST_CHECK enum err options_load(struct options *options, int argc, char **argv,
                                 char *const *environment, struct diag *reterr_why);
void options_clear(struct options *options);
/* Help text of every option; as JSON for GET /api/v1/config. */
void options_help(struct buf *out);
void options_to_json(struct buf *out, const struct options *options);
/* NUL-terminated copy in the options' arena. */
const char *options_c(struct options *options, str text);
