/* queue.h -- the bounded queue by which threads talk.
 *
 * Many senders, one receiver.  A full queue refuses (the sender answers 429);
 * a receiver either blocks in queue_wait or watches queue_fd in its event loop.
 *
 * Memory:  ownership of a message moves to the receiver; queue_free drops the
 *          queue only when it is empty.
 * Threads: send from any, receive from one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/base.h"

struct queue;
struct queue *queue_new(size_t messages_max);
void queue_free(struct queue *queue);
/* False when full or closed: the message still belongs to the caller. */
MUST_CHECK bool queue_send(struct queue *queue, void *message);
/* Up to `max` messages without waiting; the number taken. */
size_t queue_take(struct queue *queue, void **ret_messages, size_t max);
/* As queue_take, but waits up to timeout_ns (<0: for ever) for the first; 0 on
 * timeout or when closed and empty. */
size_t queue_wait(struct queue *queue, void **ret_messages, size_t max, int64_t timeout_ns);
/* Readable while messages wait (eventfd); for an event loop, which calls queue_take. */
int queue_fd(struct queue *queue);
void queue_close(struct queue *queue); /* no more sends; receivers drain, then get 0 */
bool queue_is_closed(struct queue *queue);
size_t queue_length(struct queue *queue);
