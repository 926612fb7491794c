/* log.c -- `telltale log verify|dump`: the durable log, offline or beside a server.
 *
 * Prints places, sizes, hours, counts and projects of batches; never what is in them.
 * Damage that reaches the end of the newest segment is a torn tail: what a crash, or a
 * server that is writing now, leaves; recovery cuts it and nothing acknowledged is in it.
 * Any other damage, and a record whose key is missing or does not fit, is a failure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "cli/cli_int.h"
#include "keys/keys.h"
#include "model/record.h"
#include "wal/wal.h"
#include <stdio.h>

struct scan {
    struct cli_call *call;
    struct keystore *keystore;
    bool is_dump;
    struct buf out;
    uint64_t records, bytes, spans, logs, metrics, segments, printed;
    uint64_t first_sequence, last_sequence;
    uint64_t damaged, damaged_bytes, locked, unreadable, missing;
    uint32_t segment;  /* of the last item */
    bool ends_damaged; /* the last item is a damaged stretch */
    struct wal_position end_position;
    uint64_t end_bytes;
};

static enum err log_key(void *arg, int64_t hour, bool create, struct crypt_key *ret_key)
{
    struct scan *scan = arg;
    (void)create;
    return keystore_log_key(scan->keystore, hour, false, ret_key, NULL);
}

static const char *state_of(const struct scan *scan, const struct wal_scan_item *item,
                            bool is_understood)
{
    if (!item->crc_ok)
        return "damaged";
    if (!scan->keystore)
        return "encrypted";
    if (!item->decrypted)
        return "locked";
    return is_understood ? "ok" : "unreadable";
}

static void dump_text(struct scan *scan, const struct wal_scan_item *item,
                      const struct batch_header *header, const char *state)
{
    struct buf *out = &scan->out;
    buf_printf(out, "%7u %10u", item->position.segment, item->position.offset);
    if (item->crc_ok)
        buf_printf(out, " %10llu %9zu %8lld  ", (unsigned long long)item->sequence, item->len,
                   (long long)item->hour);
    else
        buf_printf(out, " %10s %9zu %8s  ", "-", item->len, "-");
    if (header) {
        buf_printf(out, "%6u %6u %6u  ", header->span_count, header->log_count,
                   header->metric_count);
        cli_clean(out, header->project, CLI_ONE_LINE);
        buf_add_char(out, '\n');
    } else {
        buf_printf(out, "%6s %6s %6s  (%s)\n", "-", "-", "-", state);
    }
}

static void dump_json(struct scan *scan, const struct wal_scan_item *item,
                      const struct batch_header *header, const char *state)
{
    struct buf *out = &scan->out;
    buf_printf(out, "{\"segment\":%u,\"offset\":%u,\"bytes\":%zu,\"state\":\"%s\"",
               item->position.segment, item->position.offset, item->len, state);
    if (item->crc_ok)
        buf_printf(out, ",\"sequence\":%llu,\"hour\":%lld", (unsigned long long)item->sequence,
                   (long long)item->hour);
    if (header) {
        buf_printf(out, ",\"spans\":%u,\"logs\":%u,\"metrics\":%u,\"received_time\":\"",
                   header->span_count, header->log_count, header->metric_count);
        time_format(out, header->received_ns, 9);
        buf_add_c(out, "\",\"project\":");
        buf_add_json_str(out, header->project);
    }
    buf_add_c(out, "}\n");
}

static void count_damage(struct scan *scan, const struct wal_scan_item *item)
{
    scan->damaged++;
    scan->damaged_bytes += item->len;
    scan->ends_damaged = true;
    scan->end_position = item->position;
    scan->end_bytes = item->len;
}

static void count(struct scan *scan, const struct wal_scan_item *item,
                  const struct batch_header *header)
{
    bool is_next = item->position.segment != scan->segment && scan->segments > 0;
    if (is_next || scan->segments == 0)
        scan->segments++;
    bool is_gap = item->position.segment > scan->segment + 1 && !item->follows_released;
    if (is_next && is_gap && item->crc_ok && item->sequence > scan->last_sequence + 1)
        scan->missing++;
    scan->segment = item->position.segment;
    scan->ends_damaged = false;
    if (!item->crc_ok) {
        count_damage(scan, item);
        return;
    }
    if (scan->records++ == 0)
        scan->first_sequence = item->sequence;
    scan->last_sequence = item->sequence;
    scan->bytes += item->len;
    scan->locked += scan->keystore && !item->decrypted;
    scan->unreadable += item->decrypted && !header;
    if (!header)
        return;
    scan->spans += header->span_count;
    scan->logs += header->log_count;
    scan->metrics += header->metric_count;
}

static void on_item(const struct wal_scan_item *item, void *arg)
{
    struct scan *scan = arg;
    struct batch_header header;
    bool is_understood = item->decrypted && batch_peek(item->bytes, &header, NULL) == ERR_OK;
    const struct batch_header *known = is_understood ? &header : NULL;
    const char *state = state_of(scan, item, is_understood);
    count(scan, item, known);
    int64_t limit = scan->call->options.limit;
    if (!scan->is_dump || (limit && scan->printed >= (uint64_t)limit))
        return;
    scan->printed++;
    if (scan->call->options.json)
        dump_json(scan, item, known, state);
    else
        dump_text(scan, item, known, state);
    cli_print(&scan->out);
}

static void report_text(struct scan *scan, bool is_torn, uint64_t failures)
{
    struct buf *out = &scan->out;
    str bytes = cli_human_bytes(&scan->call->arena, (double)scan->bytes);
    buf_printf(out, "%llu records in %llu segments, %.*s", (unsigned long long)scan->records,
               (unsigned long long)scan->segments, STR_ARG(bytes));
    if (scan->records)
        buf_printf(out, ", sequences %llu to %llu", (unsigned long long)scan->first_sequence,
                   (unsigned long long)scan->last_sequence);
    if (scan->keystore)
        buf_printf(out, "\n%llu spans, %llu log records, %llu metric points",
                   (unsigned long long)scan->spans, (unsigned long long)scan->logs,
                   (unsigned long long)scan->metrics);
    else
        buf_add_c(out, "\nno keystore was found: checksums are checked, not whether keys fit; "
                       "--keys_dir=PATH names it");
    if (is_torn)
        buf_printf(out,
                   "\ntorn tail: %llu bytes at the end of segment %u; the next start cuts them",
                   (unsigned long long)scan->end_bytes, scan->end_position.segment);
    uint64_t damaged = scan->damaged - is_torn;
    if (damaged)
        buf_printf(out, "\nDAMAGED: %llu places; `telltale log dump` names them",
                   (unsigned long long)damaged);
    if (scan->missing)
        buf_printf(out,
                   "\nMISSING: %llu places where a segment and its sequences are not there: "
                   "deleted, or refused while the disk failed",
                   (unsigned long long)scan->missing);
    if (scan->locked)
        buf_printf(out, "\nLOCKED: %llu records whose key is gone or does not fit",
                   (unsigned long long)scan->locked);
    if (scan->unreadable)
        buf_printf(out,
                   "\nUNREADABLE: %llu records of another version, or damaged before "
                   "they were sealed",
                   (unsigned long long)scan->unreadable);
    buf_printf(out, "\n%s\n", failures ? "the log has failures" : "the log is whole");
}

static void report_json(struct scan *scan, bool is_torn, uint64_t failures)
{
    struct buf *out = &scan->out;
    buf_printf(out, "{\"ok\":%s,\"segments\":%llu,\"records\":%llu,\"bytes\":%llu",
               failures ? "false" : "true", (unsigned long long)scan->segments,
               (unsigned long long)scan->records, (unsigned long long)scan->bytes);
    buf_printf(out, ",\"first_sequence\":%llu,\"last_sequence\":%llu,\"keys\":%s",
               (unsigned long long)scan->first_sequence, (unsigned long long)scan->last_sequence,
               scan->keystore ? "true" : "false");
    buf_printf(out, ",\"spans\":%llu,\"logs\":%llu,\"metrics\":%llu",
               (unsigned long long)scan->spans, (unsigned long long)scan->logs,
               (unsigned long long)scan->metrics);
    buf_printf(out,
               ",\"torn_tail_bytes\":%llu,\"damaged\":%llu,\"missing\":%llu,\"locked\":%llu,"
               "\"unreadable\":%llu}\n",
               is_torn ? (unsigned long long)scan->end_bytes : 0ULL,
               (unsigned long long)(scan->damaged - is_torn), (unsigned long long)scan->missing,
               (unsigned long long)scan->locked, (unsigned long long)scan->unreadable);
}

static int finish(struct scan *scan)
{
    bool is_torn = scan->ends_damaged;
    uint64_t failures = scan->damaged - is_torn + scan->missing + scan->locked + scan->unreadable;
    if (!scan->is_dump && scan->call->options.json)
        report_json(scan, is_torn, failures);
    else if (!scan->is_dump)
        report_text(scan, is_torn, failures);
    cli_print(&scan->out);
    return failures ? CLI_FAILED : CLI_OK;
}

int cli_log(struct cli_call *call)
{
    struct diag why = DIAG_NONE;
    struct scan scan = { .call = call, .is_dump = str_equal_c(call->args[0], "dump") };
    enum err err = cli_data_check(call, &why);
    if (err)
        return cli_fail(err, &why);
    if (cli_keystore_open(call, &scan.keystore, &why) != ERR_OK)
        scan.keystore = NULL; /* said in the report; checksums need no keys */
    struct wal_config config = { .dir = cli_path(call, cli_data_dir(call), "log"),
                                 .files = &sys_files_real,
                                 .log_key = scan.keystore ? log_key : NULL,
                                 .log_key_arg = &scan };
    buf_init(&scan.out, 64 * KIB);
    if (scan.is_dump && !call->options.json)
        printf("%7s %10s %10s %9s %8s  %6s %6s %6s  %s\n", "SEGMENT", "OFFSET", "SEQUENCE", "BYTES",
               "HOUR", "SPANS", "LOGS", "METRICS", "PROJECT");
    err = wal_scan(&config, on_item, &scan, &why);
    int status = err ? cli_fail(err, &why) : finish(&scan);
    buf_clear(&scan.out);
    keystore_free(scan.keystore);
    return status;
}
