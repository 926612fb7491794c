/* recovered.c -- what a start finds: keys that fit the data, and what a crash or a disk took.
 *
 * Making new keys beside data that was written under others would hide the loss until
 * somebody reads it, so that a folder with data makes no master key.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "server/node.h"
#include "sys/file.h"
#include "sys/log.h"

static void on_name(const char *name, void *arg)
{
    bool *has_segment = arg;
    str file = str_from_c(name);
    *has_segment |= str_ends(file, STR_OF(".log")) || str_ends(file, STR_OF(".seg")) ||
                    str_ends(file, STR_OF(".seg.sent"));
}

bool node_has_data(struct node *node)
{
    static const char *const folders[] = { "log", "content" };
    bool has_segment = false;
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        str path = arena_printf(&node->options.arena, "%s/%s", node->data_dir, folders[i]);
        if (dir_list(path.ptr, on_name, &has_segment, NULL) != ERR_OK)
            continue; /* the part that needs it says so */
    }
    return has_segment;
}

enum err node_explain_keys(const struct node *node, enum err err, struct diag *why)
{
    if (err == ERR_KEY && !file_exists(node->keystore_path))
        diag_hint(why,
                  "the data in %s can only be read with the keys it was written under: bring "
                  "back %s, or choose another --server.data_dir=",
                  node->data_dir, node->keys_dir);
    return err;
}

enum err node_check_keys(const struct node *node, const char *master_path, struct diag *why)
{
    struct keystore_status status;
    keystore_status(node->keystore, &status);
    if (!status.master_file_too_open)
        return ERR_OK;
    diag_set(why, ERR_KEY, "the master key %s may be read by other users", master_path);
    diag_hint(why, "chmod go= %s, and think of whether it is still secret", master_path);
    return ERR_KEY;
}

void node_report_damage(const struct node *node)
{
    struct wal_status wal;
    struct content_status content;
    wal_status(node->wal, &wal);
    content_status(node->content, &content);
    if (wal.torn_bytes_cut || content.torn_bytes_cut)
        log_info("cut what a crash left half written; none of it was acknowledged",
                 KV_U64("log_bytes", wal.torn_bytes_cut),
                 KV_U64("content_bytes", content.torn_bytes_cut));
    if (wal.damaged_places)
        log_error("the log is damaged: records that were acknowledged are lost; "
                  "`telltale log verify` names them",
                  KV_U64("places", wal.damaged_places));
    if (content.damaged_places)
        log_error("content is damaged: some prompts or answers cannot be read",
                  KV_U64("places", content.damaged_places));
}
