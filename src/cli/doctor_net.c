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
    TCP_LISTEN = 0x0A
};

static void check_lag(struct doctor *doctor, const struct value *status)
{
    const struct value *stages = cli_member(status, "stages");
    double behind = 0;
    bool is_known = false;
    for (uint32_t i = 0; stages && stages->type == VALUE_MAP && i < stages->count; i++)
        if (str_find(stages->attrs[i].key, STR_OF("behind")) < stages->attrs[i].key.len)
            is_known |= value_as_f64(&stages->attrs[i].value, &behind);
    if (!is_known)
        return;
    doctor_add(doctor, behind > LAG_WARN_S ? DOCTOR_WARN : DOCTOR_OK, "lag",
               "the store is %.1f s behind the log", behind);
    if (behind > LAG_WARN_S)
        doctor_hint(doctor,
                    "nothing is lost, but new spans show late: is the disk or the CPU full?");
}

static void check_version(struct doctor *doctor)
{
    struct buf body;
    struct value status;
    struct diag why = DIAG_NONE;
    int code = 0;
    buf_init(&body, ANSWER_BYTES_MAX);
    struct cli_get get = { .path = "/api/v1/status", .timeout_ns = TIMEOUT_S * NS_PER_S };
    enum err err = cli_http_get(doctor->call, &get, &code, &body, &why);
    if (!err && code != 200)
        err = cli_http_problem(doctor->call, code, buf_str(&body), &why);
    str kept = err ? STR_NONE : arena_str(&doctor->call->arena, buf_str(&body));
    if (!err)
        err = cli_json_parse(&doctor->call->arena, kept, &status, &why);
    buf_clear(&body);
    if (err) {
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
    check_lag(doctor, &status);
}

static void check_server(struct doctor *doctor)
{
    struct buf body;
    struct diag why = DIAG_NONE;
    int code = 0;
    buf_init(&body, ANSWER_BYTES_MAX);
    struct cli_get get = { .path = "/readyz", .timeout_ns = TIMEOUT_S * NS_PER_S };
    enum err err = cli_http_get(doctor->call, &get, &code, &body, &why);
    if (!err && code != 200)
        (void)cli_http_problem(doctor->call, code, buf_str(&body), &why);
    buf_clear(&body);
    if (!err && code == 200) {
        doctor_add(doctor, DOCTOR_OK, "server", "%s is ready", cli_server(doctor->call));
        check_version(doctor);
        return;
    }
    /* Not to run is no fault; to run and not answer is. */
    bool is_running = doctor->server_pid || !err;
    doctor_add(doctor, is_running ? DOCTOR_FAIL : DOCTOR_WARN, "server", "%s", why.text);
    if (is_running && err)
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
                    "%s=127.0.0.1:PORT",
                    option);
}

void doctor_net(struct doctor *doctor)
{
    check_server(doctor);
    check_port(doctor, "port OTLP/gRPC", 4317, "--listen.grpc");
    check_port(doctor, "port OTLP/HTTP", 4318, "--listen.otlp");
    check_port(doctor, "port web, API", 4320, "--listen.api");
}
