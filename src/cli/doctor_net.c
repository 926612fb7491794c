/* doctor_net.c -- does the server answer, how far is it behind, and who has its ports.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "cli/doctor.h"
#include "sys/file.h"
#include "version.h"
#include <stdio.h>

enum {
    ANSWER_BYTES_MAX = 4 * 1024 * 1024,
    PROC_BYTES_MAX = 64 * 1024 * 1024,
    TIMEOUT_S = 5,
    LAG_WARN_S = 30,
    EXTERNAL_LAG_WARN_S = 600,
    TCP_LISTEN = 0x0A
};

static double counter(const struct value *status, const char *name)
{
    double value;
    return cli_member_f64(cli_member(status, "stages"), name, &value) ? value : 0;
}

static void check_spans(struct doctor *doctor, const struct value *status)
{
    double received = counter(status, "receive_spans_total");
    double stored = counter(status, "store_spans"), open = counter(status, "open_traces");
    if (received > 0 || stored > 0) {
        doctor_add(doctor, DOCTOR_OK, "spans",
                   "%.0f received since the start, %.0f stored, %.0f traces still open", received,
                   stored, open);
    } else {
        doctor_add(doctor, DOCTOR_WARN, "spans", "none was received yet");
        doctor_hint(doctor, "set OTEL_EXPORTER_OTLP_ENDPOINT of an application to the OTLP/HTTP "
                            "address (usually http://127.0.0.1:4318); see docs/sending.md");
    }
    double rejected = counter(status, "receive_rejected_total");
    if (rejected > 0) {
        doctor_add(doctor, DOCTOR_WARN, "rejected", "%.0f items since the start", rejected);
        doctor_hint(doctor, "each answer said why (partial_success): see the sender's log");
    }
}

static void check_stages(struct doctor *doctor, const struct value *status)
{
    double behind = counter(status, "drain_behind_seconds");
    doctor_add(doctor, behind > LAG_WARN_S ? DOCTOR_WARN : DOCTOR_OK, "lag",
               "the store is %.1f s behind the log", behind);
    if (behind > LAG_WARN_S)
        doctor_hint(doctor,
                    "nothing is lost, but new spans show late: is the disk or the CPU full?");
    double errors = counter(status, "drain_store_errors_total");
    double corrupt = counter(status, "drain_corrupt_records_total");
    if (errors > 0 || corrupt > 0) {
        doctor_add(doctor, DOCTOR_FAIL, "store", "%.0f failed writes, %.0f damaged log records",
                   errors, corrupt);
        doctor_hint(doctor, "see the server's own log; `telltale log verify` names damage");
    }
}

enum answer { ANSWER_NONE, ANSWER_REFUSAL, ANSWER_OK };

/* A JSON answer of the server; but for ANSWER_OK *reterr_why says what is wrong. */
static enum answer ask(struct doctor *doctor, const char *path, struct value *ret_value,
                       struct diag *reterr_why)
{
    struct buf body;
    int code = 0;
    buf_init(&body, ANSWER_BYTES_MAX);
    struct cli_get get = { .path = path, .timeout_ns = TIMEOUT_S * NS_PER_S };
    enum err err = cli_http_get(doctor->call, &get, &code, &body, reterr_why);
    if (!err && code != 200)
        err = cli_http_problem(doctor->call, code, buf_str(&body), reterr_why);
    str kept = err ? STR_NONE : arena_str(&doctor->call->arena, buf_str(&body));
    if (!err)
        err = cli_json_parse(&doctor->call->arena, kept, ret_value, reterr_why);
    buf_clear(&body);
    return !err ? ANSWER_OK : code ? ANSWER_REFUSAL : ANSWER_NONE;
}

/* Sealed content that goes to an object store, when one is configured. */
static void check_external(struct doctor *doctor, const struct value *status)
{
    if (counter(status, "content_external_configured") < 1)
        return;
    bool is_up = counter(status, "content_external_up") >= 1;
    double lag = counter(status, "content_external_lag_seconds");
    double waiting = counter(status, "content_external_waiting_segments");
    bool is_late = lag > EXTERNAL_LAG_WARN_S;
    str bytes =
        cli_human_bytes(&doctor->call->arena, counter(status, "content_external_waiting_bytes"));
    doctor_add(doctor, is_up && !is_late ? DOCTOR_OK : DOCTOR_WARN, "external content",
               "%s, %.0f segments there, %.0f (%.*s) wait to be sent, the oldest for %.0f s",
               is_up ? "the store answers" : "the store is away",
               counter(status, "content_external_segments"), waiting, STR_ARG(bytes), lag);
    if (!is_up)
        doctor_hint(doctor, "nothing is lost, new content stays here; the server's log has the "
                            "reason (\"external store\")");
    else if (is_late)
        doctor_hint(doctor, "the way to the store is slower than what comes in");
}

static double number(const struct value *object, const char *name)
{
    double value;
    return cli_member_f64(object, name, &value) ? value : 0;
}

/* What the model calls of the last day leave out: the report names it all, here is the largest. */
static void check_gaps(struct doctor *doctor)
{
    struct value report;
    struct diag why = DIAG_NONE;
    if (ask(doctor, "/api/v1/instrumentation?limit=1", &report, &why) != ANSWER_OK ||
        number(&report, "model_calls") <= 0)
        return; /* it may not read, or there is nothing to say */
    const struct value *gaps = cli_member(&report, "gaps");
    if (!gaps || gaps->type != VALUE_ARRAY || gaps->count == 0) {
        doctor_add(doctor, DOCTOR_OK, "instrumentation", "model calls of the last day say it all");
        return;
    }
    const struct value *gap = &gaps->items[0];
    doctor_add(doctor, DOCTOR_WARN, "instrumentation",
               "%.0f gaps in what model calls say; %.0f of %.0f calls of %.*s lack %.*s",
               number(&report, "gap_count"), number(gap, "missing"), number(gap, "model_calls"),
               STR_ARG(cli_member_str(gap, "service")), STR_ARG(cli_member_str(gap, "what")));
    doctor_hint(doctor, "`telltale instrumentation` lists them, and what to do");
}

static void check_status(struct doctor *doctor)
{
    struct value status;
    struct diag why = DIAG_NONE;
    if (ask(doctor, "/api/v1/status", &status, &why) != ANSWER_OK) {
        doctor_add(doctor, DOCTOR_WARN, "server status", "%s", why.text);
        if (why.hint[0])
            doctor_hint(doctor, "%s", why.hint);
        return;
    }
    str version = cli_member_str(&status, "version");
    bool is_same = str_equal_c(version, TELLTALE_VERSION);
    doctor_add(doctor, is_same ? DOCTOR_OK : DOCTOR_WARN, "version",
               "server %.*s, this program " TELLTALE_VERSION, STR_ARG(version));
    if (!is_same)
        doctor_hint(doctor, "restart the server to run the same version");
    check_spans(doctor, &status);
    check_stages(doctor, &status);
    check_external(doctor, &status);
    check_gaps(doctor);
}

/* Not to run is no fault; to run and not answer is. */
static void check_server(struct doctor *doctor)
{
    struct value ready;
    struct diag why = DIAG_NONE;
    enum answer answer = ask(doctor, "/readyz", &ready, &why);
    if (answer == ANSWER_OK) {
        doctor_add(doctor, DOCTOR_OK, "server", "%s is ready", cli_server(doctor->call));
        check_status(doctor);
        return;
    }
    bool is_silent = answer == ANSWER_NONE;
    doctor_add(doctor, is_silent && !doctor->server_pid ? DOCTOR_WARN : DOCTOR_FAIL, "server", "%s",
               why.text);
    if (is_silent && doctor->server_pid)
        doctor_hint(doctor,
                    "process %d holds the data folder: is --server=URL the one that it "
                    "printed when it started?",
                    doctor->server_pid);
    else if (why.hint[0])
        doctor_hint(doctor, "%s", why.hint);
}

/* ---- ports ---- */

/* "  sl local_address rem_address st ... inode": of a listener on that port. */
static bool is_listener(str line, int port, int64_t *ret_inode)
{
    enum { LOCAL = 1, STATE = 3, INODE = 9 };
    int field = 0;
    bool is_port = false, listens = false;
    for (str word; str_next(&line, ' ', &word);) {
        if (str_is_empty(word))
            continue;
        uint8_t bytes[2];
        if (field == LOCAL) {
            str digits = str_from(word, str_find_char(word, ':') + 1);
            is_port = hex_decode(digits, bytes, 2) && (bytes[0] << 8 | bytes[1]) == port;
        } else if (field == STATE) {
            listens = hex_decode(word, bytes, 1) && bytes[0] == TCP_LISTEN;
        } else if (field == INODE) {
            return is_port && listens && str_to_i64(word, ret_inode);
        }
        field++;
    }
    return false;
}

static bool find_listener(int port, int64_t *ret_inode)
{
    static const char *const tables[] = { "/proc/net/tcp", "/proc/net/tcp6" };
    bool found = false;
    struct buf text;
    buf_init(&text, PROC_BYTES_MAX);
    for (size_t i = 0; i < COUNT_OF(tables) && !found; i++) {
        buf_reset(&text);
        if (file_read(tables[i], &text, NULL) != ERR_OK)
            continue;
        str rest = buf_str(&text);
        for (str line; !found && str_next(&rest, '\n', &line);)
            found = is_listener(line, port, ret_inode);
    }
    buf_clear(&text);
    return found;
}

static void check_port(struct doctor *doctor, const char *name, int port, const char *option)
{
    int64_t inode = 0;
    if (!find_listener(port, &inode)) {
        doctor_add(doctor, DOCTOR_OK, name, "%d is free", port);
        return;
    }
    struct arena *arena = &doctor->call->arena;
    str holder = STR_NONE;
    int pid = doctor_holder(arena, arena_printf(arena, "socket:[%lld]", (long long)inode), &holder);
    bool is_ours = pid && (pid == doctor->server_pid || str_equal_c(holder, "telltale"));
    if (pid)
        doctor_add(doctor, is_ours ? DOCTOR_OK : DOCTOR_WARN, name,
                   "%d is used by %.*s, process %d", port, STR_ARG(holder), pid);
    else
        doctor_add(doctor, DOCTOR_WARN, name, "%d is used by a process of another user", port);
    if (!is_ours)
        doctor_hint(doctor,
                    "a server that should have it does not start: stop the other, or use "
                    "--%s=127.0.0.1:PORT",
                    option);
}

static int port_of(const struct value *options, const char *name, int fallback)
{
    for (uint32_t i = 0; cli_item(options, i); i++) {
        const struct value *option = cli_item(options, i);
        if (!str_equal_c(cli_member_str(option, "name"), name))
            continue;
        str value = cli_member_str(option, "value");
        if (value.len && value.ptr[0] == '"') /* a JSON text */
            value = str_sub(value, 1, value.len - 2);
        int64_t port = 0;
        for (size_t at = value.len; at-- > 0;)
            if (value.ptr[at] == ':')
                return str_to_i64(str_from(value, at + 1), &port) ? (int)port : 0;
        return 0; /* empty: no such listener */
    }
    return fallback;
}

/* The ports of the server that uses our data folder, else the usual ones. */
static void check_ports(struct doctor *doctor)
{
    static const struct {
        const char *name, *option;
        int usual;
    } ports[] = {
        { "port OTLP/gRPC", "listen.grpc", 4317 },
        { "port OTLP/HTTP", "listen.otlp", 4318 },
        { "port web, API", "listen.api", 4320 },
    };
    struct value config = { 0 };
    struct diag why = DIAG_NONE;
    bool is_known = doctor->server_pid && ask(doctor, "/api/v1/config", &config, &why) == ANSWER_OK;
    const struct value *options = is_known ? cli_member(&config, "options") : NULL;
    for (size_t i = 0; i < COUNT_OF(ports); i++) {
        int port = port_of(options, ports[i].option, ports[i].usual);
        if (port > 0) /* 0: the server took any that was free */
            check_port(doctor, ports[i].name, port, ports[i].option);
    }
}

void doctor_net(struct doctor *doctor)
{
    check_server(doctor);
    check_ports(doctor);
}
