/* serve.c -- start, say where, wait for a signal, stop.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "server/serve.h"
#include "base/check.h"
#include "server/node.h"
#include "sys/clock.h"
#include "sys/log.h"
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static void print_problem(const char *what, enum err err, const struct diag *why)
{
    fprintf(stderr, "telltale: %s: %s (%s)\n", what, why->text[0] ? why->text : err_text(err),
            err_name(err));
    if (why->hint[0])
        fprintf(stderr, "  %s\n", why->hint);
}

static void print_addresses(const struct node *node, int64_t start_ns)
{
    const char *scheme = node->options.tls_cert.len ? "https" : "http";
    if (node->ports[0])
        printf("OTLP/gRPC  %s://127.0.0.1:%d\n", scheme, node->ports[0]);
    if (node->ports[1])
        printf("OTLP/HTTP  %s://127.0.0.1:%d\n", scheme, node->ports[1]);
    printf("web, API   %s://127.0.0.1:%d\n", scheme, node->ports[2]);
    printf("ready in %lld ms; data in %s\n",
           (long long)((clock_monotonic_ns() - start_ns) / NS_PER_MS), node->data_dir);
    fflush(stdout);
}

enum { KEYS_EVERY_S = 2 };

/* What people change beside the running server. */
static void refresh(struct node *node)
{
    node_refresh_auth(node);
    node_refresh_mapping(node);
}

/* Signals are taken here, on the main thread; no handler runs anywhere. */
static void wait_for_signal(struct node *node)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    const struct timespec interval = { .tv_sec = KEYS_EVERY_S };
    int number;
    while ((number = sigtimedwait(&set, NULL, &interval)) < 0)
        refresh(node);
    log_info("stopping", KV_I64("signal", number));
}

static void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int print_help(void)
{
    struct buf text;
    buf_init(&text, MIB);
    buf_add_c(&text,
              "usage: telltale serve [--config=FILE] [--section.key=value ...]\n\n"
              "Receives OpenTelemetry on 4317 (gRPC) and 4318 (HTTP), serves the web UI and the\n"
              "API on 4320.  Options, also as TELLTALE_SECTION_KEY and in YAML:\n\n");
    options_help(&text);
    fwrite(text.ptr, 1, text.len, stdout);
    buf_clear(&text);
    return 0;
}

int serve(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0 ||
            strcmp(argv[i], "--help-config") == 0 || strcmp(argv[i], "--show-limits") == 0)
            return print_help();
    int64_t start_ns = clock_monotonic_ns();
    block_signals();
    struct node *node = xcalloc(1, sizeof *node);
    struct diag why = DIAG_NONE;
    bool check_only = argc > 0 && strcmp(argv[argc - 1], "--check-config") == 0;
    enum err err = options_load(&node->options, argc - check_only, argv, environ, &why);
    if (err) {
        print_problem("configuration", err, &why);
        xfree(node);
        return 2;
    }
    if (check_only) {
        printf("configuration is valid\n");
        options_clear(&node->options);
        xfree(node);
        return 0;
    }
    log_configure((enum log_level)node->options.log_level,
                  (enum log_format)node->options.log_format);
    err = node_open(node, &why);
    if (err) {
        print_problem("cannot start", err, &why);
    } else {
        node_start(node);
        print_addresses(node, start_ns);
        wait_for_signal(node);
        node_stop(node);
    }
    node_close(node);
    xfree(node);
    return err ? 1 : 0;
}
