/* How old what the application knows may be, and when it is told. */
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/test_client_seen.h"

TestSuite(client_staleness, .init = set_up, .fini = tear_down, .timeout = 100);

/* What on_staleness said. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int within;
static int exceeded;

static void on_staleness(coherd_client *client, bool is_exceeded, void *arg)
{
    (void)client;
    (void)arg;
    pthread_mutex_lock(&mutex);
    *(is_exceeded ? &exceeded : &within) += 1;
    pthread_mutex_unlock(&mutex);
}

static int count_of(const int *counter)
{
    pthread_mutex_lock(&mutex);
    const int count = *counter;
    pthread_mutex_unlock(&mutex);
    return count;
}

static coherd_client *open_bounded(coherd_mode mode, uint64_t bound_ms)
{
    const coherd_options options = {
        .socket = sidecar.path,
        .mode = mode,
        .on_event = on_event,
        .on_reset = on_reset,
        .arg = &saw,
        .staleness_bound_ms = bound_ms,
        .on_staleness = on_staleness,
    };
    coherd_client *client = NULL;

    cr_assert_eq(coherd_open(&options, &client), COHERD_OK);
    return client;
}

static void start(void)
{
    FAKE_SET(&sidecar, sidecar.fresh = true; sidecar.ping_ms = 20);
    fake_start(&sidecar);
}

#define UNTIL(expression)                                                      \
    do {                                                                       \
        while (!(expression)) {                                                \
            (void)poll(NULL, 0, 1);                                            \
        }                                                                      \
    } while (0)

Test(client_staleness, it_is_unknown_until_the_sidecar_tells)
{
    cr_assert_eq(coherd_staleness(NULL), COHERD_STALENESS_UNKNOWN);
    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_THREADED);
    cr_assert_eq(coherd_staleness(client), COHERD_STALENESS_UNKNOWN);
    FAKE_WAIT(&sidecar, sidecar.pings >= 3);
    cr_assert_eq(coherd_staleness(client), COHERD_STALENESS_UNKNOWN);
    FAKE_SET(&sidecar, sidecar.fresh = true);
    UNTIL(coherd_staleness(client) < 60000);
    coherd_close(&client);
}

Test(client_staleness, what_the_sidecar_lacks_is_part_of_it)
{
    FAKE_SET(&sidecar, sidecar.fresh_age_ns = 3600 * CHD_SECOND + 1);
    start();
    coherd_client *client = open_client(COHERD_THREADED);
    UNTIL(coherd_staleness(client) != COHERD_STALENESS_UNKNOWN);
    cr_assert_gt(coherd_staleness(client), 3600 * 1000, "rounded up");
    coherd_close(&client);
}

Test(client_staleness, a_bound_that_is_none_is_refused)
{
    const coherd_options options = {.on_staleness = on_staleness};
    coherd_client *client = NULL;

    cr_assert_eq(coherd_open(&options, &client), COHERD_ERR_INVALID);
}

Test(client_staleness, without_the_sidecar_it_grows_by_itself)
{
    start();
    coherd_client *client = open_bounded(COHERD_THREADED, 1000);
    UNTIL(count_of(&within) == 1);
    cr_assert_eq(count_of(&exceeded), 0);
    fake_kill(&sidecar);
    UNTIL(coherd_staleness(client) > 1000);
    UNTIL(count_of(&exceeded) == 1);
    start();
    UNTIL(count_of(&within) == 2);
    coherd_close(&client);
}

Test(client_staleness, a_sidecar_that_is_frozen_is_no_different)
{
    start();
    coherd_client *client = open_bounded(COHERD_THREADED, 1000);
    UNTIL(count_of(&within) == 1);
    FAKE_SET(&sidecar, sidecar.deaf = true);
    UNTIL(count_of(&exceeded) == 1);
    cr_assert_gt(coherd_staleness(client), 1000);
    cr_assert(coherd_is_connected(client), "the lease is longer");
    FAKE_SET(&sidecar, sidecar.deaf = false);
    UNTIL(count_of(&within) == 2);
    coherd_close(&client);
}

Test(client_staleness, in_polled_mode_the_descriptor_says_when_to_look)
{
    start();
    coherd_client *client = open_bounded(COHERD_POLLED, 1000);
    PUMP(client, within == 1);
    FAKE_SET(&sidecar, sidecar.fresh = false; sidecar.ping_ms = 60000);
    PUMP(client, exceeded == 1);
    cr_assert_gt(coherd_staleness(client), 1000);
    FAKE_SET(&sidecar, sidecar.fresh = true);
    PUMP(client, within == 2);
    coherd_close(&client);
}

Test(client_staleness, a_waiting_call_leaves_it_to_the_next_dispatch)
{
    const coherd_target key = coherd_key("1");

    start();
    coherd_client *client = open_bounded(COHERD_POLLED, 1000);
    PUMP(client, within == 1);
    FAKE_SET(&sidecar, sidecar.fresh = false; sidecar.no_receipts = true);
    coherd_invalidate(client, "t", &key, 1, NULL, NULL);
    while (coherd_staleness(client) <= 1000) {
        cr_assert_eq(coherd_flush(client, 1100), COHERD_ERR_TIMEOUT);
    }
    cr_assert_eq(exceeded, 0);
    PUMP(client, exceeded == 1);
    coherd_close(&client);
}

/* Holds the callback of the first event until told to go on. */
static void on_slow_event(coherd_client *client, const coherd_event *event,
                          void *arg)
{
    on_event(client, event, arg);
    while (count_of(&within) < 1000) {
        (void)poll(NULL, 0, 1);
    }
}

Test(client_staleness, what_is_not_applied_is_not_counted)
{
    const coherd_options options = {
        .socket = sidecar.path,
        .on_event = on_slow_event,
        .on_reset = on_reset,
        .arg = &saw,
    };
    const coherd_target key = coherd_key("1");
    coherd_client *client = NULL;

    start();
    cr_assert_eq(coherd_open(&options, &client), COHERD_OK);
    coherd_subscribe(client, "t");
    UNTIL(coherd_staleness(client) < 60000);
    coherd_invalidate(client, "t", &key, 1, NULL, NULL);
    pthread_mutex_lock(&saw.mutex);
    while (saw.events == 0) {
        pthread_cond_wait(&saw.changed, &saw.mutex);
    }
    pthread_mutex_unlock(&saw.mutex);
    UNTIL(coherd_staleness(client) > 500);
    pthread_mutex_lock(&mutex);
    within = 1000;
    pthread_mutex_unlock(&mutex);
    UNTIL(coherd_staleness(client) < 500);
    coherd_close(&client);
}

Test(client_staleness, a_child_inherits_it_and_gets_one_of_its_own)
{
    int status = 0;

    start();
    coherd_client *client = open_client(COHERD_THREADED);
    UNTIL(coherd_staleness(client) < 60000);
    const pid_t child = fork();
    if (child == 0) {
        if (coherd_staleness(client) == COHERD_STALENESS_UNKNOWN) {
            _exit(1);
        }
        /* It grows past this only until the child's own connection is fresh. */
        UNTIL(coherd_staleness(client) > 100);
        UNTIL(coherd_staleness(client) < 100);
        _exit(coherd_is_connected(client) ? 0 : 2);
    }
    FAKE_SET(&sidecar, sidecar.fresh = false);
    FAKE_WAIT(&sidecar, sidecar.hellos == 2);
    UNTIL(coherd_staleness(client) > 1000);
    FAKE_SET(&sidecar, sidecar.fresh = true);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 0);
    coherd_close(&client);
}
