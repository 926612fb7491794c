/* crypt.c -- OpenSSL behind crypt.h.
 *
 * A failure inside OpenSSL on valid arguments means a broken installation: it
 * is our bug or the machine's, never a client's, so it is an assertion.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sys/crypt.h"
#include "base/arena.h"
#include "base/check.h"
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <sys/random.h>

void crypt_random(void *ret_bytes, size_t len)
{
    char *at = ret_bytes;
    while (len) {
        ssize_t got = getrandom(at, MIN(len, (size_t)256), 0);
        assert(got > 0);
        at += got;
        len -= (size_t)got;
    }
}

void crypt_wipe(void *bytes, size_t len)
{
    OPENSSL_cleanse(bytes, len);
}

bool crypt_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

struct crypt_gcm {
    EVP_CIPHER_CTX *seal;
    EVP_CIPHER_CTX *open;
    struct crypt_key seal_key, open_key;
    bool has_seal_key, has_open_key;
};

struct crypt_gcm *crypt_gcm_new(void)
{
    struct crypt_gcm *gcm = xcalloc(1, sizeof *gcm);
    gcm->seal = EVP_CIPHER_CTX_new();
    gcm->open = EVP_CIPHER_CTX_new();
    assert(gcm->seal && gcm->open);
    return gcm;
}

void crypt_gcm_free(struct crypt_gcm *gcm)
{
    if (!gcm)
        return;
    EVP_CIPHER_CTX_free(gcm->seal);
    EVP_CIPHER_CTX_free(gcm->open);
    crypt_wipe(gcm, sizeof *gcm);
    xfree(gcm);
}

static bool same_key(bool has_key, const struct crypt_key *held, const struct crypt_key *key)
{
    return has_key && memcmp(held, key, sizeof *key) == 0;
}

void crypt_gcm_seal(struct crypt_gcm *gcm, const struct crypt_key *key,
                    const uint8_t nonce[CRYPT_NONCE_BYTES], str aad, const void *in, size_t len,
                    void *out)
{
    assert(len <= INT32_MAX);
    bool keep = same_key(gcm->has_seal_key, &gcm->seal_key, key);
    int ok = EVP_EncryptInit_ex(gcm->seal, keep ? NULL : EVP_aes_256_gcm(), NULL,
                                keep ? NULL : key->bytes, nonce);
    gcm->seal_key = *key;
    gcm->has_seal_key = true;
    int part = 0, tail = 0;
    if (aad.len)
        ok &=
            EVP_EncryptUpdate(gcm->seal, NULL, &part, (const unsigned char *)aad.ptr, (int)aad.len);
    part = 0;
    if (len)
        ok &= EVP_EncryptUpdate(gcm->seal, out, &part, in, (int)len);
    ok &= EVP_EncryptFinal_ex(gcm->seal, (unsigned char *)out + part, &tail);
    ok &= EVP_CIPHER_CTX_ctrl(gcm->seal, EVP_CTRL_GCM_GET_TAG, CRYPT_TAG_BYTES,
                              (unsigned char *)out + len);
    assert(ok == 1 && (size_t)part == len);
}

bool crypt_gcm_open(struct crypt_gcm *gcm, const struct crypt_key *key,
                    const uint8_t nonce[CRYPT_NONCE_BYTES], str aad, const void *in, size_t len,
                    void *out)
{
    if (len < CRYPT_TAG_BYTES || len > INT32_MAX)
        return false;
    size_t plain = len - CRYPT_TAG_BYTES;
    uint8_t tag[CRYPT_TAG_BYTES]; /* before out == in overwrites nothing of it, but stay safe */
    memcpy(tag, (const uint8_t *)in + plain, sizeof tag);
    bool keep = same_key(gcm->has_open_key, &gcm->open_key, key);
    int ok = EVP_DecryptInit_ex(gcm->open, keep ? NULL : EVP_aes_256_gcm(), NULL,
                                keep ? NULL : key->bytes, nonce);
    gcm->open_key = *key;
    gcm->has_open_key = true;
    int part = 0, tail = 0;
    if (aad.len)
        ok &=
            EVP_DecryptUpdate(gcm->open, NULL, &part, (const unsigned char *)aad.ptr, (int)aad.len);
    part = 0;
    if (plain)
        ok &= EVP_DecryptUpdate(gcm->open, out, &part, in, (int)plain);
    ok &= EVP_CIPHER_CTX_ctrl(gcm->open, EVP_CTRL_GCM_SET_TAG, CRYPT_TAG_BYTES, tag);
    assert(ok == 1);
    if (EVP_DecryptFinal_ex(gcm->open, (unsigned char *)out + part, &tail) == 1)
        return true;
    crypt_wipe(out, plain);
    return false;
}

struct crypt_mac {
    EVP_MAC *algorithm;
    EVP_MAC_CTX *context;
};

struct crypt_mac *crypt_mac_new(const struct crypt_key *key)
{
    struct crypt_mac *mac = xcalloc(1, sizeof *mac);
    mac->algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    mac->context = EVP_MAC_CTX_new(mac->algorithm);
    assert(mac->context);
    char digest[] = "SHA256";
    OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                            OSSL_PARAM_construct_end() };
    int ok = EVP_MAC_init(mac->context, key->bytes, sizeof key->bytes, params);
    assert(ok == 1);
    return mac;
}

void crypt_mac_free(struct crypt_mac *mac)
{
    if (!mac)
        return;
    EVP_MAC_CTX_free(mac->context);
    EVP_MAC_free(mac->algorithm);
    xfree(mac);
}

void crypt_mac_once(struct crypt_mac *mac, const void *bytes, size_t len,
                    uint8_t ret_hash[CRYPT_SHA256_BYTES])
{
    int ok = EVP_MAC_init(mac->context, NULL, 0, NULL); /* again under the same key */
    ok &= EVP_MAC_update(mac->context, bytes, len);
    size_t out_len = 0;
    ok &= EVP_MAC_final(mac->context, ret_hash, &out_len, CRYPT_SHA256_BYTES);
    assert(ok == 1 && out_len == CRYPT_SHA256_BYTES);
}

struct crypt_blocks {
    EVP_CIPHER_CTX *cipher;
};

struct crypt_blocks *crypt_blocks_new(const struct crypt_key *key)
{
    struct crypt_blocks *blocks = xcalloc(1, sizeof *blocks);
    blocks->cipher = EVP_CIPHER_CTX_new();
    assert(blocks->cipher);
    int ok = EVP_EncryptInit_ex(blocks->cipher, EVP_aes_256_ecb(), NULL, key->bytes, NULL);
    ok &= EVP_CIPHER_CTX_set_padding(blocks->cipher, 0);
    assert(ok == 1);
    return blocks;
}

void crypt_blocks_free(struct crypt_blocks *blocks)
{
    if (!blocks)
        return;
    EVP_CIPHER_CTX_free(blocks->cipher);
    xfree(blocks);
}

void crypt_blocks_run(struct crypt_blocks *blocks, void *bytes, size_t count)
{
    assert(count <= (size_t)1 << 26);
    int len = (int)(count * CRYPT_BLOCK_BYTES), got = 0;
    int ok = EVP_EncryptUpdate(blocks->cipher, bytes, &got, bytes, len);
    assert(ok == 1 && got == len);
}

void crypt_sha256(const void *bytes, size_t len, uint8_t ret_hash[CRYPT_SHA256_BYTES])
{
    unsigned out_len = 0;
    int ok = EVP_Digest(bytes, len, ret_hash, &out_len, EVP_sha256(), NULL);
    assert(ok == 1 && out_len == CRYPT_SHA256_BYTES);
}

struct crypt_digest {
    EVP_MD_CTX *context;
};

static void digest_begin(struct crypt_digest *digest)
{
    int ok = EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL);
    assert(ok == 1);
}

struct crypt_digest *crypt_digest_new(void)
{
    struct crypt_digest *digest = xcalloc(1, sizeof *digest);
    digest->context = EVP_MD_CTX_new();
    assert(digest->context);
    digest_begin(digest);
    return digest;
}

void crypt_digest_free(struct crypt_digest *digest)
{
    if (!digest)
        return;
    EVP_MD_CTX_free(digest->context);
    xfree(digest);
}

void crypt_digest_add(struct crypt_digest *digest, const void *bytes, size_t len)
{
    int ok = EVP_DigestUpdate(digest->context, bytes, len);
    assert(ok == 1);
}

void crypt_digest_end(struct crypt_digest *digest, uint8_t ret_hash[CRYPT_SHA256_BYTES])
{
    unsigned out_len = 0;
    int ok = EVP_DigestFinal_ex(digest->context, ret_hash, &out_len);
    assert(ok == 1 && out_len == CRYPT_SHA256_BYTES);
    digest_begin(digest);
}

void crypt_derive(const struct crypt_key *parent, str salt, str info, struct crypt_key *ret_key)
{
    EVP_KDF *algorithm = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = EVP_KDF_CTX_new(algorithm);
    assert(context);
    char digest[] = "SHA256";
    char empty[1] = "";
    struct crypt_key key = *parent;
    OSSL_PARAM params[5], *at = params;
    *at++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
    *at++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key.bytes, sizeof key.bytes);
    char *info_copy = info.len ? xstrdup_str(info) : empty;
    char *salt_copy = salt.len ? xstrdup_str(salt) : empty;
    *at++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info_copy, info.len);
    *at++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt_copy, salt.len);
    *at = OSSL_PARAM_construct_end();
    int ok = EVP_KDF_derive(context, ret_key->bytes, sizeof ret_key->bytes, params);
    assert(ok == 1);
    if (info_copy != empty)
        xfree(info_copy);
    if (salt_copy != empty)
        xfree(salt_copy);
    crypt_wipe(&key, sizeof key);
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(algorithm);
}
