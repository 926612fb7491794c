/* load_watch.c -- see load_watch.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "load_watch.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { METRICS_BYTES = 256 * 1024, HEAD_BYTES = 512 };

int watch_connect(int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

int watch_get(int port, const char *path, char *ret_body, size_t body_size)
{
    char head[HEAD_BYTES];
    int fd = watch_connect(port);
    if (fd < 0)
        return 0;
    int len = snprintf(head, sizeof head,
                       "GET %s HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n", path);
    size_t used = 0;
    if (len > 0 && send(fd, head, (size_t)len, MSG_NOSIGNAL) == len) {
        ssize_t got;
        while (used + 1 < body_size &&
               (got = recv(fd, ret_body + used, body_size - 1 - used, 0)) > 0)
            used += (size_t)got;
    }
    close(fd);
    ret_body[used] = '\0';
    int status = 0;
    if (sscanf(ret_body, "HTTP/1.1 %d", &status) != 1)
        return 0;
    char *body = strstr(ret_body, "\r\n\r\n");
    if (body)
        memmove(ret_body, body + 4, strlen(body + 4) + 1);
    return status;
}

static double metric(const char *text, const char *name)
{
    char line[HEAD_BYTES];
    snprintf(line, sizeof line, "\ntelltale_%s ", name);
    const char *at = strstr(text, line);
    return at ? strtod(at + strlen(line), NULL) : 0;
}

bool watch_counters(int port, struct watch_counters *ret_counters)
{
    char *text = malloc(METRICS_BYTES);
    bool good = text && watch_get(port, "/metrics", text, METRICS_BYTES) == 200;
    if (good)
        *ret_counters = (struct watch_counters){
            .drain_spans = metric(text, "drain_spans_total"),
            .spans_settled = metric(text, "spans_settled_total"),
            .drain_behind_s = metric(text, "drain_behind_seconds"),
            .store_disk_bytes = metric(text, "store_disk_bytes"),
            .content_stored_bytes = metric(text, "content_stored_bytes"),
            .corrupt = metric(text, "drain_corrupt_records_total"),
            .store_errors = metric(text, "drain_store_errors_total"),
            .duplicates = metric(text, "drain_duplicate_batches_total"),
        };
    free(text);
    return good;
}

static bool read_text(const char *path, char *ret_text, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t len = file ? fread(ret_text, 1, size - 1, file) : 0;
    ret_text[len] = '\0';
    if (file)
        fclose(file);
    return len > 0;
}

bool watch_process(int pid, struct watch_process *ret_process)
{
    char path[64], text[4096];
    unsigned long user = 0, system_time = 0;
    *ret_process = (struct watch_process){ 0 };
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (!read_text(path, text, sizeof text))
        return false;
    const char *after_name = strrchr(text, ')');
    if (!after_name || sscanf(after_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                              &user, &system_time) != 2)
        return false;
    ret_process->cpu_s = (double)(user + system_time) / (double)sysconf(_SC_CLK_TCK);
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    if (!read_text(path, text, sizeof text))
        return false;
    const char *rss = strstr(text, "VmRSS:"), *peak = strstr(text, "VmHWM:");
    ret_process->rss_kib = rss ? strtod(rss + 6, NULL) : 0;
    ret_process->rss_peak_kib = peak ? strtod(peak + 6, NULL) : 0;
    return true;
}
