/* doctor.c -- `telltale doctor`: what is wrong with this machine, and what to do.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/doctor.h"
#include "base/check.h"
#include "sys/file.h"
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { TEXT_MAX = 1024, NAME_COLUMNS = 16, LINK_MAX = 4096 };

PRINTF(2, 0)
static str text_of(struct arena *arena, const char *format, va_list args)
{
    char text[TEXT_MAX];
    vsnprintf(text, sizeof text, format, args);
    struct buf clean;
    buf_init(&clean, 4 * (size_t)TEXT_MAX);
    cli_clean(&clean, str_from_c(text), CLI_ONE_LINE);
    str copy = arena_str(arena, buf_str(&clean));
    buf_clear(&clean);
    assert(copy.ptr);
    return copy;
}

void doctor_add(struct doctor *doctor, enum doctor_state state, const char *name,
                const char *format, ...)
{
    va_list args;
    assert(doctor->count < DOCTOR_RESULTS_MAX);
    va_start(args, format);
    str detail = text_of(&doctor->call->arena, format, args);
    va_end(args);
    doctor->results[doctor->count++] = (struct doctor_result){ name, state, detail, STR_NONE };
}

void doctor_hint(struct doctor *doctor, const char *format, ...)
{
    va_list args;
    assert(doctor->count > 0);
    va_start(args, format);
    doctor->results[doctor->count - 1].hint = text_of(&doctor->call->arena, format, args);
    va_end(args);
}

/* ---- who has a file or socket open ---- */

struct search {
    struct arena *arena;
    str link;
    const char *pid; /* folder of /proc under way */
    int found;
};

static void on_descriptor(const char *name, void *arg)
{
    struct search *search = arg;
    char path[64], target[LINK_MAX];
    if (search->found)
        return;
    snprintf(path, sizeof path, "/proc/%.16s/fd/%.16s", search->pid, name);
    ssize_t len = readlink(path, target, sizeof target);
    int64_t pid;
    if (len > 0 && str_equal(str_make(target, (size_t)len), search->link) &&
        str_to_i64(str_from_c(search->pid), &pid))
        search->found = (int)pid;
}

static void on_process(const char *name, void *arg)
{
    struct search *search = arg;
    char path[64];
    if (name[0] < '1' || name[0] > '9' || search->found)
        return;
    snprintf(path, sizeof path, "/proc/%.16s/fd", name);
    search->pid = name;
    if (dir_list(path, on_descriptor, search, NULL) != ERR_OK)
        return; /* not ours to look at, or gone */
}

int doctor_holder(struct arena *arena, str link, str *ret_name)
{
    struct search search = { .arena = arena, .link = link };
    if (dir_list("/proc", on_process, &search, NULL) != ERR_OK || !search.found)
        return 0;
    struct buf name;
    buf_init(&name, 4 * KIB);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", search.found);
    *ret_name = file_read(path, &name, NULL) == ERR_OK ? arena_str(arena, str_trim(buf_str(&name)))
                                                       : STR_OF("a process");
    buf_clear(&name);
    return search.found;
}

/* ---- report ---- */

static const char *const words[] = { "ok", "warn", "FAIL" };

static void print_text(const struct doctor *doctor, struct buf *out)
{
    static const enum cli_colour colours[] = { CLI_GREEN, CLI_YELLOW, CLI_RED };
    const struct cli_screen *screen = &doctor->call->screen;
    size_t counts[3] = { 0 };
    for (size_t i = 0; i < doctor->count; i++) {
        const struct doctor_result *result = &doctor->results[i];
        counts[result->state]++;
        cli_paint(out, screen, colours[result->state], str_from_c(words[result->state]));
        cli_add_spaces(out, (uint32_t)(6 - strlen(words[result->state])));
        buf_add_c(out, result->name);
        cli_add_spaces(out, (uint32_t)MAX(1, NAME_COLUMNS - (int)strlen(result->name)));
        buf_add_str(out, result->detail);
        buf_add_char(out, '\n');
        if (str_is_none(result->hint))
            continue;
        cli_add_spaces(out, 6 + NAME_COLUMNS);
        buf_add_c(out, "\xE2\x86\x92 ");
        buf_add_str(out, result->hint);
        buf_add_char(out, '\n');
    }
    buf_printf(out, "\n%zu ok, %zu warnings, %zu failures\n", counts[DOCTOR_OK],
               counts[DOCTOR_WARN], counts[DOCTOR_FAIL]);
}

static void print_json(const struct doctor *doctor, enum doctor_state worst, struct buf *out)
{
    buf_printf(out, "{\"status\":\"%s\",\"checks\":[", words[worst]);
    for (size_t i = 0; i < doctor->count; i++) {
        const struct doctor_result *result = &doctor->results[i];
        buf_printf(out, "%s{\"name\":\"%s\",\"status\":\"%s\",\"detail\":", i ? "," : "",
                   result->name, words[result->state]);
        buf_add_json_str(out, result->detail);
        buf_add_c(out, ",\"hint\":");
        if (str_is_none(result->hint))
            buf_add_c(out, "null");
        else
            buf_add_json_str(out, result->hint);
        buf_add_char(out, '}');
    }
    buf_add_c(out, "]}\n");
}

int cli_doctor(struct cli_call *call)
{
    struct doctor *doctor = arena_new(&call->arena, struct doctor, 1);
    assert(doctor);
    doctor->call = call;
    doctor_data(doctor);
    doctor_net(doctor);
    doctor_system(doctor);
    enum doctor_state worst = DOCTOR_OK;
    for (size_t i = 0; i < doctor->count; i++)
        worst = MAX(worst, doctor->results[i].state);
    struct buf out;
    buf_init(&out, MIB);
    if (call->options.json)
        print_json(doctor, worst, &out);
    else
        print_text(doctor, &out);
    cli_print(&out);
    buf_clear(&out);
    return worst == DOCTOR_FAIL ? CLI_FAILED : CLI_OK;
}
