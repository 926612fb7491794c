/* oracle.h -- OTLP by protobuf-c, an independent reading to compare ours with.
 *
 * Messages are made at random, or from JSON, by protobuf-c's descriptors; what they
 * mean is written as text, in the same form for theirs (oracle_dump) and ours (raw_dump).
 *
 * Memory:  messages live in the arena.
 * Threads: none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "model/raw.h"
#include "wire/otlp.h"
#include <protobuf-c/protobuf-c.h>

struct oracle {
    struct arena *arena;
    uint64_t seed;
    bool is_lenient; /* JSON with snake_case, numbers for texts, names of enumerations */
};

ProtobufCMessage *oracle_random(struct oracle *oracle, enum otlp_signal signal);
ProtobufCMessage *oracle_from_json(struct oracle *oracle, enum otlp_signal signal,
                                   const char *path);
void oracle_to_json(struct oracle *oracle, const ProtobufCMessage *message, struct buf *out);
void oracle_dump(struct oracle *oracle, enum otlp_signal signal, const ProtobufCMessage *message,
                 struct buf *out);
void raw_dump(const struct raw_batch *batch, struct buf *out);
