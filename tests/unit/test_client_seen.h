/* test_client_seen.h - what the callbacks of a client saw, for the tests of the
 * library: each of them opens clients at `sidecar` and looks into `saw`.
 */
#ifndef CHD_TESTS_UNIT_TEST_CLIENT_SEEN_H
#define CHD_TESTS_UNIT_TEST_CLIENT_SEEN_H

#include <criterion/criterion.h>

#include "client/coherd.h"
#include "tests/unit/test_client_sidecar.h"

/* What the callbacks saw. */
typedef struct seen {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t events;
    uint64_t resets;
    uint64_t connected;
    uint64_t disconnected;
    coherd_err reason;
    int sys_errno;
    char topic[256];
    char reset_topic[256];
    char key[256];
    char value[256];
    bool soft;
    coherd_kind kind;
    uint64_t seq;
    char order[1024]; /* one letter for each call */
    size_t order_len;
} seen;

static inline void note(seen *s, char letter)
{
    if (s->order_len < sizeof(s->order) - 1) {
        s->order[s->order_len++] = letter;
    }
    pthread_cond_broadcast(&s->changed);
}

static inline void on_event(coherd_client *client, const coherd_event *event,
                            void *arg)
{
    seen *s = arg;

    (void)client;
    pthread_mutex_lock(&s->mutex);
    s->events++;
    s->kind = event->kind;
    s->soft = event->soft;
    s->seq = event->seq;
    snprintf(s->topic, sizeof(s->topic), "%s", event->topic);
    snprintf(s->key, sizeof(s->key), "%.*s", (int)event->target.len,
             (const char *)event->target.data);
    snprintf(s->value, sizeof(s->value), "%.*s", (int)event->value_len,
             (const char *)event->value);
    note(s, 'e');
    pthread_mutex_unlock(&s->mutex);
}

static inline void on_reset(coherd_client *client, const coherd_reset *reset,
                            void *arg)
{
    seen *s = arg;

    (void)client;
    pthread_mutex_lock(&s->mutex);
    s->resets++;
    snprintf(s->reset_topic, sizeof(s->reset_topic), "%s",
             reset->topic == NULL ? "(all)" : reset->topic);
    note(s, 'r');
    pthread_mutex_unlock(&s->mutex);
}

static inline void on_state(coherd_client *client, const coherd_state *state,
                            void *arg)
{
    seen *s = arg;

    (void)client;
    pthread_mutex_lock(&s->mutex);
    if (state->connected) {
        s->connected++;
    } else {
        s->disconnected++;
        s->reason = state->reason;
        s->sys_errno = state->sys_errno;
    }
    note(s, state->connected ? 'c' : 'd');
    pthread_mutex_unlock(&s->mutex);
}

static fake sidecar;
static seen saw;

static inline coherd_client *open_client(coherd_mode mode)
{
    const coherd_options options = {
        .socket = sidecar.path,
        .mode = mode,
        .on_event = on_event,
        .on_reset = on_reset,
        .on_state = on_state,
        .arg = &saw,
    };
    coherd_client *client = NULL;

    cr_assert_eq(coherd_open(&options, &client), COHERD_OK);
    return client;
}

/* Dispatch whenever the descriptor says so, until the expression holds. */
#define PUMP(client, expression)                                               \
    do {                                                                       \
        while (!(expression)) {                                                \
            struct pollfd fd_ = {.fd = coherd_fd(client), .events = POLLIN};   \
            cr_assert_eq(poll(&fd_, 1, 60000), 1, "in vain: %s", #expression); \
            cr_assert_eq(coherd_dispatch(client), COHERD_OK);                  \
        }                                                                      \
    } while (0)

static inline void set_up(void)
{
    fake_init(&sidecar);
    memset(&saw, 0, sizeof(saw));
    pthread_mutex_init(&saw.mutex, NULL);
    pthread_cond_init(&saw.changed, NULL);
}

static inline void tear_down(void)
{
    fake_fini(&sidecar);
}

#endif
