/* doctor_system.c -- kernel, limits, clock, and the versions of the libraries in use.
 *
 * Versions are asked by symbol name: each library's header stays in the one folder that
 * may include it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/doctor.h"
#include "sys/clock.h"
#include "sys/file.h"
#include <dlfcn.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
    FILES_WANTED = 8192, /* two workers of limits.connections, and the store's files */
    LANDLOCK_TCP = 4,    /* first version with rules for TCP: Linux 6.7 */
    CLOCK_YEAR_MIN = 2025,
};

static void check_landlock(struct doctor *doctor, const char *release)
{
    long version =
        syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1) {
        doctor_add(doctor, DOCTOR_WARN, "Landlock", "not in this kernel (%s)", release);
        doctor_hint(doctor,
                    "files cannot be confined: boot with lsm=landlock,..., or use systemd's "
                    "ProtectSystem=strict");
    } else if (version < LANDLOCK_TCP) {
        doctor_add(doctor, DOCTOR_WARN, "Landlock", "version %ld: files, but no rules for TCP (%s)",
                   version, release);
        doctor_hint(doctor,
                    "outgoing connections cannot be confined before Linux 6.7 (Debian 12 has "
                    "6.1): use a firewall or systemd's IPAddressDeny=");
    } else {
        doctor_add(doctor, DOCTOR_OK, "Landlock", "version %ld, with rules for TCP", version);
    }
}

static void check_seccomp(struct doctor *doctor)
{
    bool is_there = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
    doctor_add(doctor, is_there ? DOCTOR_OK : DOCTOR_WARN, "seccomp",
               is_there ? "available" : "not in this kernel");
}

/* Soft limit of a running server, else of this shell. */
static bool files_limit(int pid, int64_t *ret_limit)
{
    struct rlimit limit;
    if (!pid) {
        if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
            return false;
        *ret_limit = limit.rlim_cur == RLIM_INFINITY ? INT64_MAX : (int64_t)limit.rlim_cur;
        return true;
    }
    char path[64];
    struct buf text;
    buf_init(&text, 64 * KIB);
    snprintf(path, sizeof path, "/proc/%d/limits", pid);
    bool found = false;
    if (file_read(path, &text, NULL) == ERR_OK) {
        str name = STR_OF("Max open files");
        str rest = str_trim(str_from(buf_str(&text), str_find(buf_str(&text), name) + name.len));
        found = str_to_i64(str_sub(rest, 0, str_find_char(rest, ' ')), ret_limit);
    }
    buf_clear(&text);
    return found;
}

static void check_files(struct doctor *doctor)
{
    int64_t limit;
    if (!files_limit(doctor->server_pid, &limit))
        return;
    const char *whose = doctor->server_pid ? "the server" : "this shell";
    bool is_low = limit < FILES_WANTED;
    if (limit == INT64_MAX)
        doctor_add(doctor, DOCTOR_OK, "open files", "no limit for %s", whose);
    else
        doctor_add(doctor, is_low ? DOCTOR_WARN : DOCTOR_OK, "open files", "%lld for %s",
                   (long long)limit, whose);
    if (is_low)
        doctor_hint(doctor, "fewer than limits.connections needs: ulimit -n 65536, or systemd's "
                            "LimitNOFILE=65536");
}

static void check_clock(struct doctor *doctor)
{
    struct timex state = { 0 };
    int64_t year = 1970 + clock_now_ns() / NS_PER_S / 31556952;
    if (year < CLOCK_YEAR_MIN) {
        doctor_add(doctor, DOCTOR_FAIL, "clock", "it is the year %lld here", (long long)year);
        doctor_hint(doctor, "set the clock: spans are filed by day, and certificates fail");
        return;
    }
    bool is_known = adjtimex(&state) >= 0;
    bool is_synchronised = is_known && !(state.status & STA_UNSYNC);
    doctor_add(doctor, is_known && !is_synchronised ? DOCTOR_WARN : DOCTOR_OK, "clock",
               !is_known         ? "plausible"
               : is_synchronised ? "synchronised"
                                 : "not synchronised by the kernel's account");
    if (is_known && !is_synchronised)
        doctor_hint(doctor,
                    "run chrony or systemd-timesyncd (on the host, if this is a container): "
                    "spans of several machines are ordered by time");
}

/* ---- libraries ---- */

static const char *text_version(void *function)
{
    const char *(*ask)(void);
    memcpy(&ask, &function, sizeof ask);
    return ask();
}

static const char *openssl_version(void *function)
{
    const char *(*ask)(int);
    memcpy(&ask, &function, sizeof ask);
    return ask(0);
}

/* nghttp2_info starts so. */
static const char *nghttp2_version(void *function)
{
    struct info {
        int age, number;
        const char *text;
    };
    const struct info *(*ask)(int);
    memcpy(&ask, &function, sizeof ask);
    return ask(0)->text;
}

static void check_libraries(struct doctor *doctor)
{
    static const struct {
        const char *name, *symbol;
        const char *(*ask)(void *function);
    } libraries[] = {
        { "DuckDB", "duckdb_library_version", text_version },
        { "OpenSSL", "OpenSSL_version", openssl_version },
        { "vectorscan", "hs_version", text_version },
        { "SQLite", "sqlite3_libversion", text_version },
        { "libevent", "event_get_version", text_version },
        { "nghttp2", "nghttp2_version", nghttp2_version },
        { "libcurl", "curl_version", text_version },
        { "zstd", "ZSTD_versionString", text_version },
        { "zlib", "zlibVersion", text_version },
    };
    struct buf text;
    buf_init(&text, 4 * KIB);
    for (size_t i = 0; i < COUNT_OF(libraries); i++) {
        void *function = dlsym(RTLD_DEFAULT, libraries[i].symbol);
        str version = str_from_c(function ? libraries[i].ask(function) : "?");
        if (str_starts(version, STR_OF("OpenSSL ")) || str_starts(version, STR_OF("libcurl/")))
            version = str_from(version, strlen("OpenSSL "));
        version = str_sub(version, 0, str_find_char(version, ' '));
        buf_printf(&text, "%s%s %.*s", i ? ", " : "", libraries[i].name, STR_ARG(version));
    }
    doctor_add(doctor, DOCTOR_OK, "libraries", "%.*s", STR_ARG(buf_str(&text)));
    buf_clear(&text);
}

static void check_processor(struct doctor *doctor)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN), pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    str memory = cli_human_bytes(&doctor->call->arena, (double)pages * (double)page_bytes);
    bool is_small = (double)pages * (double)page_bytes < 1.25e9;
    doctor_add(doctor, is_small ? DOCTOR_WARN : DOCTOR_OK, "machine",
               "%ld processors, %.*s of memory", count, STR_ARG(memory));
    if (is_small)
        doctor_hint(doctor, "the store's cache takes up to 1 GiB: set --store.memory=256MiB");
}

void doctor_system(struct doctor *doctor)
{
    struct utsname name;
    check_processor(doctor);
    check_files(doctor);
    check_clock(doctor);
    check_landlock(doctor, uname(&name) == 0 ? name.release : "?");
    check_seccomp(doctor);
    check_libraries(doctor);
}
