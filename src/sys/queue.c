/* queue.c -- a ring under one lock, with an eventfd for event loops.
 *
 * The eventfd is written only when the queue goes from empty to not empty, so a
 * burst costs one system call.  One of the two files that hold locks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sys/queue.h"
#include "base/arena.h"
#include "base/check.h"
#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { QUEUE_MAGIC = 0x51554555 };

struct queue {
    uint32_t magic;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    int event_fd;
    bool closed;
    size_t capacity, length, head;
    void *ring[];
};

struct queue *queue_new(size_t messages_max)
{
    assert(messages_max > 0);
    struct queue *queue = xcalloc(1, sizeof *queue + messages_max * sizeof(void *));
    queue->magic = QUEUE_MAGIC;
    queue->capacity = messages_max;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->arrived, &attr);
    pthread_condattr_destroy(&attr);
    queue->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert(queue->event_fd >= 0);
    return queue;
}

void queue_free(struct queue *queue)
{
    if (!queue)
        return;
    CHECK(queue, QUEUE_MAGIC);
    assert(queue->length == 0);
    pthread_mutex_destroy(&queue->lock);
    pthread_cond_destroy(&queue->arrived);
    close(queue->event_fd);
    queue->magic = 0;
    xfree(queue);
}

bool queue_send(struct queue *queue, void *message)
{
    CHECK(queue, QUEUE_MAGIC);
    pthread_mutex_lock(&queue->lock);
    bool taken = !queue->closed && queue->length < queue->capacity;
    bool was_empty = queue->length == 0;
    if (taken) {
        queue->ring[(queue->head + queue->length) % queue->capacity] = message;
        queue->length++;
        pthread_cond_signal(&queue->arrived);
    }
    pthread_mutex_unlock(&queue->lock);
    if (taken && was_empty) {
        uint64_t one = 1;
        ssize_t wrote = write(queue->event_fd, &one, sizeof one);
        assert(wrote == (ssize_t)sizeof one || errno == EAGAIN);
    }
    return taken;
}

/* With the lock held. */
static size_t take_locked(struct queue *queue, void **ret_messages, size_t max)
{
    size_t count = MIN(max, queue->length);
    for (size_t i = 0; i < count; i++)
        ret_messages[i] = queue->ring[(queue->head + i) % queue->capacity];
    queue->head = (queue->head + count) % queue->capacity;
    queue->length -= count;
    return count;
}

static void clear_event(struct queue *queue)
{
    uint64_t value;
    ssize_t got = read(queue->event_fd, &value, sizeof value);
    assert(got == (ssize_t)sizeof value || errno == EAGAIN);
}

size_t queue_take(struct queue *queue, void **ret_messages, size_t max)
{
    CHECK(queue, QUEUE_MAGIC);
    pthread_mutex_lock(&queue->lock);
    size_t count = take_locked(queue, ret_messages, max);
    bool more = queue->length > 0;
    if (!more)
        clear_event(queue);
    pthread_mutex_unlock(&queue->lock);
    return count;
}

size_t queue_wait(struct queue *queue, void **ret_messages, size_t max, int64_t timeout_ns)
{
    CHECK(queue, QUEUE_MAGIC);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + (timeout_ns < 0 ? 0 : timeout_ns % NS_PER_S);
    until.tv_sec += (timeout_ns < 0 ? 0 : timeout_ns / NS_PER_S) + ns / NS_PER_S;
    until.tv_nsec = ns % NS_PER_S;
    pthread_mutex_lock(&queue->lock);
    int waited = 0;
    while (queue->length == 0 && !queue->closed && waited != ETIMEDOUT)
        waited = timeout_ns < 0 ? pthread_cond_wait(&queue->arrived, &queue->lock)
                                : pthread_cond_timedwait(&queue->arrived, &queue->lock, &until);
    size_t count = take_locked(queue, ret_messages, max);
    if (queue->length == 0)
        clear_event(queue);
    pthread_mutex_unlock(&queue->lock);
    return count;
}

int queue_fd(struct queue *queue)
{
    CHECK(queue, QUEUE_MAGIC);
    return queue->event_fd;
}

void queue_close(struct queue *queue)
{
    CHECK(queue, QUEUE_MAGIC);
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->arrived);
    pthread_mutex_unlock(&queue->lock);
}

bool queue_is_closed(struct queue *queue)
{
    CHECK(queue, QUEUE_MAGIC);
    pthread_mutex_lock(&queue->lock);
    bool closed = queue->closed;
    pthread_mutex_unlock(&queue->lock);
    return closed;
}

size_t queue_length(struct queue *queue)
{
    CHECK(queue, QUEUE_MAGIC);
    pthread_mutex_lock(&queue->lock);
    size_t length = queue->length;
    pthread_mutex_unlock(&queue->lock);
    return length;
}
