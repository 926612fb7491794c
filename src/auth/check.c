/* check.c -- from the headers of a request to a principal, or a refusal.
 *
 * Secrets are compared as hashes and in constant time, also when there is no such key.
 * Nothing of an offered token is ever put into a message.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "auth/auth_int.h"
#include "base/text.h"
#include <stdlib.h>

enum { BASIC_BYTES_MAX = 512 };
static const str token_prefix = STR("tt_");

static const struct {
    uint32_t bit;
    str text;
} permissions[] = {
#define PERMISSION(name, bit, text) { AUTH_##name, STR(text) },
#include "auth/permission.def"
#undef PERMISSION
};

enum err auth_permissions_parse(str text, uint32_t *ret_permissions, struct diag *reterr_why)
{
    uint32_t bits = 0;
    str rest = text;
    for (str piece; !str_is_none(rest) && str_next(&rest, ',', &piece);) {
        piece = str_trim(piece);
        size_t i = 0;
        while (i < COUNT_OF(permissions) && !str_equal(piece, permissions[i].text))
            i++;
        if (i < COUNT_OF(permissions)) {
            bits |= permissions[i].bit;
        } else if (!str_is_empty(piece)) {
            (void)diag_set(reterr_why, ERR_BAD_INPUT, "unknown permission '%.*s'",
                           (int)MIN(piece.len, (size_t)40), piece.ptr);
            (void)diag_hint(reterr_why, "there are ingest, read, payload:read, admin");
            return ERR_BAD_INPUT;
        }
    }
    *ret_permissions = bits;
    return ERR_OK;
}

void auth_permissions_format(struct buf *out, uint32_t bits)
{
    bool first = true;
    for (size_t i = 0; i < COUNT_OF(permissions); i++) {
        if (!(bits & permissions[i].bit))
            continue;
        if (!first)
            buf_add_char(out, ',');
        buf_add_str(out, permissions[i].text);
        first = false;
    }
}

void auth_key_create(struct auth_key *ret_key, char ret_token[AUTH_TOKEN_LEN + 1])
{
    uint8_t id[AUTH_ID_LEN / 2], secret[AUTH_SECRET_LEN / 2];
    crypt_random(id, sizeof id);
    crypt_random(secret, sizeof secret);
    hex_encode(id, sizeof id, ret_key->id);
    memcpy(ret_token, token_prefix.ptr, token_prefix.len);
    memcpy(ret_token + token_prefix.len, ret_key->id, AUTH_ID_LEN);
    ret_token[token_prefix.len + AUTH_ID_LEN] = '_';
    char *text = ret_token + token_prefix.len + AUTH_ID_LEN + 1;
    hex_encode(secret, sizeof secret, text);
    crypt_sha256(text, AUTH_SECRET_LEN, ret_key->secret_hash);
    crypt_wipe(secret, sizeof secret);
}

/* "Bearer x" -> x, the scheme in any case; STR_NONE: another scheme. */
static str after_scheme(str header, str scheme)
{
    if (header.len <= scheme.len || header.ptr[scheme.len] != ' ' ||
        !str_equal_nocase(str_sub(header, 0, scheme.len), scheme))
        return STR_NONE;
    return str_trim(str_from(header, scheme.len + 1));
}

/* The password of user:password, or the user where that is empty. Decoded into `room`. */
static str basic_token(str header, char room[BASIC_BYTES_MAX])
{
    size_t len;
    str encoded = after_scheme(header, STR_OF("Basic"));
    if (str_is_none(encoded) || base64_decoded_max(encoded.len) > BASIC_BYTES_MAX ||
        !base64_decode(encoded, room, &len))
        return STR_NONE;
    str both = { room, len };
    size_t colon = str_find_char(both, ':');
    str password = str_from(both, colon + 1);
    return str_is_empty(password) ? str_sub(both, 0, colon) : password;
}

static bool is_token(str token)
{
    return token.len == AUTH_TOKEN_LEN && str_starts(token, token_prefix) &&
           token.ptr[token_prefix.len + AUTH_ID_LEN] == '_';
}

static int id_cmp(const void *id, const void *key)
{
    return memcmp(id, ((const struct auth_key *)key)->id, AUTH_ID_LEN);
}

/* The key that the token proves, or NULL. */
static const struct auth_key *key_find(const struct auth_snapshot *snapshot, str token,
                                       int64_t now_ns)
{
    static const struct auth_key nobody;
    if (!is_token(token))
        return NULL;
    const struct auth_key *key = bsearch(token.ptr + token_prefix.len, snapshot->keys,
                                         snapshot->count, sizeof snapshot->keys[0], id_cmp);
    uint8_t hash[CRYPT_SHA256_BYTES];
    str secret = str_from(token, token_prefix.len + AUTH_ID_LEN + 1);
    crypt_sha256(secret.ptr, secret.len, hash);
    bool is_proved = crypt_equal(hash, (key ? key : &nobody)->secret_hash, sizeof hash);
    if (!key || !is_proved)
        return NULL;
    return key->expires_ns != 0 && now_ns >= key->expires_ns ? NULL : key;
}

/* The first header that holds something wins: a proxy's own Authorization must not hide
 * our key, so ours comes first. */
static str token_of(const struct auth_offer *offer, char room[BASIC_BYTES_MAX])
{
    const str plain[] = { offer->x_telltale_key, offer->x_api_key, offer->api_key,
                          offer->dd_api_key, offer->authorization /* without a scheme: Opik */ };
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        if (is_token(str_trim(plain[i])))
            return str_trim(plain[i]);
    str bearer = after_scheme(offer->authorization, STR_OF("Bearer"));
    return str_is_none(bearer) ? basic_token(offer->authorization, room) : bearer;
}

static enum err check_open(struct auth_principal *ret_principal)
{
    *ret_principal = (struct auth_principal){ .key_id = STR("open"),
                                              .project = STR("default"),
                                              .tenant = STR_NONE,
                                              .permissions = AUTH_ALL };
    return ERR_OK;
}

enum err auth_check(const struct auth_snapshot *snapshot, const struct auth_offer *offer,
                    uint32_t needed, int64_t now_ns, struct auth_principal *ret_principal,
                    struct diag *reterr_why)
{
    CHECK(snapshot, AUTH_SNAPSHOT_MAGIC);
    assert(offer && ret_principal);
    if (snapshot->is_open)
        return check_open(ret_principal);
    char room[BASIC_BYTES_MAX];
    str token = token_of(offer, room);
    const struct auth_key *key = key_find(snapshot, token, now_ns);
    bool is_nothing = str_is_empty(token);
    crypt_wipe(room, sizeof room);
    if (!key) {
        (void)diag_set(reterr_why, ERR_UNAUTHENTICATED,
                       is_nothing ? "an API key is required" : "the API key is not valid");
        (void)diag_hint(reterr_why, "send it as 'Authorization: Bearer tt_...'");
        return ERR_UNAUTHENTICATED;
    }
    if ((key->permissions & needed) != needed) {
        struct buf missing;
        buf_init(&missing, 256);
        auth_permissions_format(&missing, needed & ~key->permissions);
        (void)diag_set(reterr_why, ERR_FORBIDDEN, "the API key lacks the permission %.*s",
                       STR_ARG(buf_str(&missing)));
        buf_clear(&missing);
        return ERR_FORBIDDEN;
    }
    *ret_principal = (struct auth_principal){
        { key->id, AUTH_ID_LEN }, key->project, key->tenant, key->permissions
    };
    return ERR_OK;
}
