/* crypt.h -- our only door to cryptography (OpenSSL, argon2).
 *
 * AES-256-GCM for what is stored, HMAC-SHA-256 for keyed hashes, HKDF-SHA-256 to
 * derive keys.  Contexts are reused: making one costs more than encrypting 1 KiB.
 *
 * Memory:  crypt_gcm and crypt_mac are heap objects, freed by their owner; keys
 *          are wiped when freed.
 * Threads: a context belongs to one thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/base.h"
#include "base/err.h"
#include "base/str.h"

enum {
    CRYPT_KEY_BYTES = 32,
    CRYPT_NONCE_BYTES = 12,
    CRYPT_TAG_BYTES = 16,
    CRYPT_SHA256_BYTES = 32
};

struct crypt_key {
    uint8_t bytes[CRYPT_KEY_BYTES];
};

void crypt_random(void *ret_bytes, size_t len);             /* aborts when the kernel gives none */
void crypt_wipe(void *bytes, size_t len);                   /* not optimised away */
bool crypt_equal(const void *a, const void *b, size_t len); /* constant time */

struct crypt_gcm;
struct crypt_gcm *crypt_gcm_new(void);
void crypt_gcm_free(struct crypt_gcm *gcm);
/* out has len + CRYPT_TAG_BYTES bytes: ciphertext, then tag.  out == in is allowed.
 * Setting the same key again is free. */
void crypt_gcm_seal(struct crypt_gcm *gcm, const struct crypt_key *key,
                    const uint8_t nonce[CRYPT_NONCE_BYTES], str aad, const void *in, size_t len,
                    void *out);
/* in holds ciphertext and tag (len includes the tag); out has len - CRYPT_TAG_BYTES
 * bytes.  False when the tag does not match: out is then wiped. */
MUST_CHECK bool crypt_gcm_open(struct crypt_gcm *gcm, const struct crypt_key *key,
                               const uint8_t nonce[CRYPT_NONCE_BYTES], str aad, const void *in,
                               size_t len, void *out);

struct crypt_mac; /* HMAC-SHA-256 under a fixed key */
struct crypt_mac *crypt_mac_new(const struct crypt_key *key);
void crypt_mac_free(struct crypt_mac *mac);
void crypt_mac_once(struct crypt_mac *mac, const void *bytes, size_t len,
                    uint8_t ret_hash[CRYPT_SHA256_BYTES]);

/* AES-256 of each block of 16 bytes by itself: a keyed permutation, for hashes of words that a
 * search compares.  Equal blocks give equal blocks: never for texts. */
struct crypt_blocks;
struct crypt_blocks *crypt_blocks_new(const struct crypt_key *key);
void crypt_blocks_free(struct crypt_blocks *blocks);
enum { CRYPT_BLOCK_BYTES = 16 };
/* In place; `count` at most 2^26. */
void crypt_blocks_run(struct crypt_blocks *blocks, void *bytes, size_t count);

void crypt_sha256(const void *bytes, size_t len, uint8_t ret_hash[CRYPT_SHA256_BYTES]);
/* The same of what comes in pieces; after crypt_digest_end it begins anew. */
struct crypt_digest;
struct crypt_digest *crypt_digest_new(void);
void crypt_digest_free(struct crypt_digest *digest);
void crypt_digest_add(struct crypt_digest *digest, const void *bytes, size_t len);
void crypt_digest_end(struct crypt_digest *digest, uint8_t ret_hash[CRYPT_SHA256_BYTES]);
/* HKDF-SHA-256 with `salt` (may be none) and `info`. */
void crypt_derive(const struct crypt_key *parent, str salt, str info, struct crypt_key *ret_key);
