/* doctor_data.c -- the data folder, its disk and lock, the keys, the audit log.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "audit/audit.h"
#include "cli/doctor.h"
#include "keys/keys.h"
#include "sys/clock.h"
#include "sys/file.h"
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DISK_WARN_MIB = 1024, DISK_FAIL_MIB = 64, CLOCK_SLACK_S = 60 };

static bool check_folder(struct doctor *doctor, const char *dir)
{
    struct stat st;
    if (stat(dir, &st) != 0) {
        doctor_add(doctor, DOCTOR_WARN, "data folder", "%s is not there", dir);
        doctor_hint(doctor,
                    "a server makes it when it first starts; or name it by --data_dir=PATH");
        return false;
    }
    if (!S_ISDIR(st.st_mode) || access(dir, R_OK | W_OK | X_OK) != 0) {
        doctor_add(doctor, DOCTOR_FAIL, "data folder", "%s cannot be written by this user", dir);
        doctor_hint(doctor, "chown it to the user of the server, or run as that user");
        return false;
    }
    bool is_open = st.st_mode & 077;
    doctor_add(doctor, is_open ? DOCTOR_WARN : DOCTOR_OK, "data folder", "%s, mode %04o", dir,
               (unsigned)(st.st_mode & 07777));
    if (is_open)
        doctor_hint(doctor, "others may look in: chmod 0700 %s", dir);
    return true;
}

static void check_disk(struct doctor *doctor, const char *dir)
{
    int64_t free_bytes = disk_free_bytes(dir);
    int64_t free_mib = free_bytes / (int64_t)MIB;
    str text = cli_human_bytes(&doctor->call->arena, (double)free_bytes);
    if (free_bytes < 0) {
        doctor_add(doctor, DOCTOR_WARN, "disk", "free space of %s is unknown", dir);
        return;
    }
    enum doctor_state state = free_mib < DISK_FAIL_MIB   ? DOCTOR_FAIL
                              : free_mib < DISK_WARN_MIB ? DOCTOR_WARN
                                                         : DOCTOR_OK;
    doctor_add(doctor, state, "disk", "%.*s free", STR_ARG(text));
    if (state != DOCTOR_OK)
        doctor_hint(doctor, "below %d MiB (log.disk_free) writes are refused: free some space",
                    DISK_FAIL_MIB);
}

static void check_lock(struct doctor *doctor, const char *dir)
{
    struct arena *arena = &doctor->call->arena;
    int held = cli_lock_held(doctor->call);
    if (held < 0) {
        doctor_add(doctor, DOCTOR_OK, "lock", "no server has used this folder yet");
        return;
    }
    if (held == 0) {
        doctor_add(doctor, DOCTOR_OK, "lock", "free: no server uses this folder");
        return;
    }
    char real[PATH_MAX];
    str name = STR_NONE;
    bool is_known = realpath(cli_path(doctor->call, dir, "lock"), real) != NULL;
    int pid = is_known ? doctor_holder(arena, str_from_c(real), &name) : 0;
    doctor->server_pid = pid;
    if (pid)
        doctor_add(doctor, DOCTOR_OK, "lock", "held by %.*s, process %d", STR_ARG(name), pid);
    else
        doctor_add(doctor, DOCTOR_OK, "lock", "held by a server of another user");
}

static bool check_private(struct doctor *doctor, const char *name, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return false;
    if (!(st.st_mode & 077))
        return true;
    doctor_add(doctor, DOCTOR_FAIL, name, "%s has mode %04o: others may read it", path,
               (unsigned)(st.st_mode & 07777));
    doctor_hint(doctor, "chmod go= %s, and think of whether the keys are still secret", path);
    return true;
}

static void check_keys(struct doctor *doctor, const char *data_dir)
{
    struct cli_call *call = doctor->call;
    const char *dir = cli_keys_dir(call);
    struct stat st;
    if (stat(dir, &st) != 0) {
        bool was_used = file_exists(cli_path(call, data_dir, "lock"));
        doctor_add(doctor, was_used ? DOCTOR_FAIL : DOCTOR_WARN, "keystore", "%s is not there",
                   dir);
        doctor_hint(doctor, was_used ? "stored content cannot be read without it: restore it, or "
                                       "name it by --keys_dir=PATH"
                                     : "a server makes it when it first starts");
        return;
    }
    (void)check_private(doctor, "keys folder", dir);
    (void)check_private(doctor, "keystore file", cli_path(call, dir, "keystore"));
    if (!check_private(doctor, "master key", cli_path(call, dir, "master.key")) &&
        !getenv("TELLTALE_KEYS_MASTER_HEX") && !getenv("TELLTALE_KEYS_MASTER_FILE")) {
        doctor_add(doctor, DOCTOR_WARN, "master key", "not in %s nor in the environment", dir);
        doctor_hint(doctor, "set TELLTALE_KEYS_MASTER_FILE as the server has it");
    }
    struct keystore *keystore = NULL;
    struct diag why = DIAG_NONE;
    enum err err = cli_keystore_open(call, &keystore, &why);
    if (err) {
        doctor_add(doctor, DOCTOR_FAIL, "keystore", "%s", why.text);
        if (why.hint[0])
            doctor_hint(doctor, "%s", why.hint);
        return;
    }
    struct keystore_status status;
    keystore_status(keystore, &status);
    keystore_free(keystore);
    doctor_add(doctor, status.damaged ? DOCTOR_FAIL : DOCTOR_OK, "keystore",
               "master %s, %u content keys, %u destroyed, %u damaged", status.master_fingerprint,
               status.project_keys + status.tenant_keys + status.subject_keys, status.destroyed,
               status.damaged);
    if (status.damaged)
        doctor_hint(doctor, "restore the keystore file from its backup");
}

static void check_audit(struct doctor *doctor, const char *dir)
{
    const char *path = cli_path(doctor->call, dir, "audit.log");
    struct audit_head head;
    struct diag why = DIAG_NONE;
    if (!file_exists(path))
        return;
    enum err err = audit_verify(path, &sys_files_real, &head, &why);
    if (err == ERR_CORRUPT && doctor->server_pid) {
        clock_sleep_ns(200 * NS_PER_MS); /* the server may be amid a line */
        err = audit_verify(path, &sys_files_real, &head, &why);
    }
    if (!err) {
        doctor_add(doctor, DOCTOR_OK, "audit log", "the chain of %llu lines holds",
                   (unsigned long long)head.sequence);
        return;
    }
    doctor_add(doctor, DOCTOR_FAIL, "audit log", "%s", why.text);
    doctor_hint(doctor, "keep a copy of %s: somebody or something changed it", path);
}

/* Files from the future mean that the clock went back. */
static void check_clock(struct doctor *doctor, const char *dir)
{
    static const char *const names[] = { "audit.log", "log", "content", "meta.sqlite" };
    int64_t now_s = clock_now_ns() / NS_PER_S, newest_s = 0;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct stat st;
        if (stat(cli_path(doctor->call, dir, names[i]), &st) == 0)
            newest_s = MAX(newest_s, (int64_t)st.st_mtime);
    }
    if (newest_s <= now_s + CLOCK_SLACK_S)
        return;
    doctor_add(doctor, DOCTOR_FAIL, "clock", "files of the data folder are %lld s in the future",
               (long long)(newest_s - now_s));
    doctor_hint(doctor, "the clock went back: set it, or new spans are filed under past days");
}

void doctor_data(struct doctor *doctor)
{
    const char *dir = cli_data_dir(doctor->call);
    bool is_there = check_folder(doctor, dir);
    check_disk(doctor, is_there ? dir : ".");
    if (is_there)
        check_lock(doctor, dir);
    check_keys(doctor, dir);
    if (!is_there)
        return;
    check_audit(doctor, dir);
    check_clock(doctor, dir);
}
