/* tls.c -- TLS of inbound connections: OpenSSL on the socket itself.
 *
 * SSL_read and SSL_write on the non-blocking socket instead of libevent's OpenSSL
 * bufferevent: one reading path for plain and TLS connections, straight into the body
 * buffer, and no second owner of the descriptor.  TLS 1.2 and later; ALPN chooses
 * between h2 and http/1.1.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "net/net_int.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

static int alpn_select(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned int in_len, void *arg)
{
    (void)ssl;
    (void)arg;
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static enum err tls_failed(SSL_CTX *tls, const char *what, const char *path,
                           struct diag *reterr_why)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    SSL_CTX_free(tls);
    return diag_set(reterr_why, ERR_BAD_INPUT, "%s %.100s: %s", what, path,
                    reason ? reason : "unusable");
}

enum err tls_new(const char *cert_path, const char *key_path, struct ssl_ctx_st **ret,
                 struct diag *reterr_why)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    assert(tls);
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(tls, 1);
    SSL_CTX_set_default_read_buffer_len(tls, NET_SCRATCH_BYTES);
    SSL_CTX_set_alpn_select_cb(tls, alpn_select, NULL);
    if (SSL_CTX_use_certificate_chain_file(tls, cert_path) != 1)
        return tls_failed(tls, "TLS certificate", cert_path, reterr_why);
    if (SSL_CTX_use_PrivateKey_file(tls, key_path, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(tls) != 1)
        return tls_failed(tls, "TLS key", key_path, reterr_why);
    *ret = tls;
    return ERR_OK;
}

void tls_free(struct ssl_ctx_st *tls)
{
    SSL_CTX_free(tls);
}

struct ssl_st *tls_conn_new(struct ssl_ctx_st *tls, int fd)
{
    SSL *ssl = SSL_new(tls);
    assert(ssl);
    SSL_set_fd(ssl, fd);
    SSL_set_accept_state(ssl);
    return ssl;
}

void tls_conn_free(struct ssl_st *tls)
{
    SSL_free(tls);
}

static enum tls_result tls_outcome(SSL *ssl, int result)
{
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLOSED;
    default:
        ERR_clear_error();
        return TLS_BROKEN;
    }
}

enum tls_result tls_handshake(struct ssl_st *tls, bool *ret_is_http2)
{
    ERR_clear_error();
    int result = SSL_do_handshake(tls);
    if (result != 1)
        return tls_outcome(tls, result);
    const unsigned char *protocol = NULL;
    unsigned int len = 0;
    SSL_get0_alpn_selected(tls, &protocol, &len);
    *ret_is_http2 = len == 2 && memcmp(protocol, "h2", 2) == 0;
    return TLS_DONE;
}

enum tls_result tls_read(struct ssl_st *tls, void *ptr, size_t len, size_t *ret_len)
{
    ERR_clear_error();
    int result = SSL_read_ex(tls, ptr, len, ret_len);
    return result == 1 ? TLS_DONE : tls_outcome(tls, result);
}

enum tls_result tls_write(struct ssl_st *tls, const void *ptr, size_t len, size_t *ret_len)
{
    ERR_clear_error();
    int result = SSL_write_ex(tls, ptr, len, ret_len);
    return result == 1 ? TLS_DONE : tls_outcome(tls, result);
}

void tls_close(struct ssl_st *tls)
{
    ERR_clear_error();
    (void)SSL_shutdown(tls);
    ERR_clear_error();
}
