/* listener.c -- opens a listening socket and accepts from it.
 *
 * Own accept4 loop rather than libevent's listener: it must stop for a moment when the
 * process has no descriptors left (a level-triggered loop would spin), and TCP_NODELAY
 * is set once, on the listening socket, from which accepted ones inherit it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "net/net_int.h"
#include "sys/clock.h"
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 1024, LISTEN_HOST_MAX = 256 };
#define LISTEN_PAUSE_NS (100 * NS_PER_MS)

/* "127.0.0.1:4318", "[::1]:4318", "*:4318". */
static enum err address_split(const char *address, char *host, char *port, struct diag *reterr_why)
{
    const char *colon = strrchr(address, ':');
    size_t host_len = colon ? (size_t)(colon - address) : 0;
    int64_t number;
    if (!colon || host_len >= LISTEN_HOST_MAX || strlen(colon + 1) > 5 ||
        !str_to_i64(str_from_c(colon + 1), &number) || number < 0 || number > UINT16_MAX)
        return diag_set(reterr_why, ERR_BAD_INPUT, "listen address \"%.100s\" is not HOST:PORT",
                        address);
    if (host_len >= 2 && address[0] == '[' && address[host_len - 1] == ']') {
        address++;
        host_len -= 2;
    }
    memcpy(host, address, host_len);
    host[host_len] = '\0';
    if (strcmp(host, "*") == 0)
        host[0] = '\0';
    memcpy(port, colon + 1, strlen(colon + 1) + 1);
    return ERR_OK;
}

enum err net_address_check(const char *address, struct diag *reterr_why)
{
    char host[LISTEN_HOST_MAX], port[8];
    return address_split(address, host, port, reterr_why);
}

bool net_is_loopback(const char *address)
{
    char host[LISTEN_HOST_MAX], port[8];
    struct in_addr four;
    struct in6_addr six;
    if (address_split(address, host, port, NULL))
        return false;
    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &six) == 1)
        return IN6_IS_ADDR_LOOPBACK(&six);
    return strcmp(host, "localhost") == 0;
}

static enum err bind_failed(const char *address, int error, struct diag *reterr_why)
{
    const char *port = strrchr(address, ':') + 1;
    if (error == EADDRINUSE) {
        (void)diag_set(reterr_why, ERR_CONFLICT, "port %s is already in use (listening on %s)",
                       port, address);
        (void)diag_hint(reterr_why, "stop the program that uses port %s, or choose another port",
                        port);
        return ERR_CONFLICT; /* also when nobody asks why */
    }
    if (error == EACCES)
        return diag_set(reterr_why, ERR_FORBIDDEN, "no permission to listen on %s", address);
    return diag_set(reterr_why, ERR_IO, "cannot listen on %s: %s", address, strerror(error));
}

/* With SO_REUSEPORT a bind succeeds beside another process of this user, which would then
 * get half of the connections: without it first. */
static bool is_taken(const struct addrinfo *info)
{
    int on = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false; /* the bind that counts says why */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool is_refused = bind(fd, info->ai_addr, info->ai_addrlen) < 0 && errno == EADDRINUSE;
    close(fd);
    return is_refused;
}

static enum err socket_listen(const struct addrinfo *info, const struct net_listen *listen_on,
                              int *ret_fd, struct diag *reterr_why)
{
    int on = 1;
    if (listen_on->reuse_port && listen_on->is_first && is_taken(info))
        return bind_failed(listen_on->address, EADDRINUSE, reterr_why);
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return bind_failed(listen_on->address, errno, reterr_why);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (listen_on->reuse_port)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
        int error = errno;
        close(fd);
        return bind_failed(listen_on->address, error, reterr_why);
    }
    *ret_fd = fd;
    return ERR_OK;
}

static enum err address_listen(const struct net_listen *listen_on, int *ret_fd,
                               struct diag *reterr_why)
{
    char host[LISTEN_HOST_MAX], port[8];
    enum err code = address_split(listen_on->address, host, port, reterr_why);
    if (code)
        return code;
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *info;
    int failed = getaddrinfo(host[0] ? host : NULL, port, &hints, &info);
    if (failed)
        return diag_set(reterr_why, ERR_BAD_INPUT, "listen address %s: %s", listen_on->address,
                        gai_strerror(failed));
    code = socket_listen(info, listen_on, ret_fd, reterr_why);
    freeaddrinfo(info);
    return code;
}

static int socket_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    memset(&address, 0, sizeof address);
    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return 0;
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)(void *)&address)->sin6_port);
    return ntohs(((struct sockaddr_in *)(void *)&address)->sin_port);
}

static void peer_format(const struct sockaddr_storage *address, char *ret_text, size_t size)
{
    ret_text[0] = '\0';
    if (address->ss_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, ret_text,
                  (socklen_t)size);
        return;
    }
    const struct in6_addr *ip6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(ip6))
        inet_ntop(AF_INET, &ip6->s6_addr[12], ret_text, (socklen_t)size);
    else
        inet_ntop(AF_INET6, ip6, ret_text, (socklen_t)size);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct net_server *server = arg;
    int64_t began_ns = clock_monotonic_ns();
    for (int i = 0; i < NET_ACCEPT_BATCH; i++) {
        struct sockaddr_storage address;
        socklen_t len = sizeof address;
        memset(&address, 0, sizeof address);
        int client = accept4(fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client < 0) {
            bool is_full =
                errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
            if (is_full) {
                event_del(server->accept_event);
                server->paused_until_ns = began_ns + LISTEN_PAUSE_NS;
                loop_tick_start(server->loop);
            }
            break;
        }
        char peer[INET6_ADDRSTRLEN];
        peer_format(&address, peer, sizeof peer);
        conn_new(server, client, peer);
    }
    callback_end(server->loop, began_ns);
}

void server_tick(struct net_server *server, int64_t now_ns)
{
    if (!server->paused_until_ns || now_ns < server->paused_until_ns || server->fd < 0)
        return;
    server->paused_until_ns = 0;
    event_add(server->accept_event, NULL);
}

void server_free(struct net_server *server)
{
    link_remove(&server->link);
    event_free(server->accept_event);
    if (server->fd >= 0)
        close(server->fd);
    tls_free(server->tls);
    xfree(server);
}

enum err net_listen(struct loop *loop, const struct net_listen *listen_on,
                    const struct net_limits *limits, const struct net_handler *handler,
                    int *ret_port, struct diag *reterr_why)
{
    CHECK(loop, LOOP_MAGIC);
    assert(handler->head && handler->body);
    struct ssl_ctx_st *tls = NULL;
    if (!listen_on->cert_path != !listen_on->key_path)
        return diag_set(reterr_why, ERR_BAD_INPUT, "TLS needs both a certificate and a key");
    if (listen_on->cert_path) {
        enum err code = tls_new(listen_on->cert_path, listen_on->key_path, &tls, reterr_why);
        if (code)
            return code;
    }
    int fd = -1;
    enum err code = address_listen(listen_on, &fd, reterr_why);
    if (code) {
        tls_free(tls);
        return code;
    }
    struct net_server *server = xcalloc(1, sizeof *server);
    *server = (struct net_server){ .loop = loop,
                                   .limits = limits ? *limits : net_limits_default,
                                   .handler = *handler,
                                   .tls = tls,
                                   .fd = fd };
    link_init(&server->link);
    link_append(&loop->servers, &server->link);
    server->accept_event = event_new(loop->base, fd, EV_READ | EV_PERSIST, on_accept, server);
    assert(server->accept_event);
    event_add(server->accept_event, NULL);
    if (ret_port)
        *ret_port = socket_port(fd);
    return ERR_OK;
}
