/* What becomes of a client after fork(). */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/unit/test_client_seen.h"

TestSuite(client_fork, .init = set_up, .fini = tear_down, .timeout = 100);

/* Run body in a child; the test fails unless it returns 0. */
static void in_child(int (*body)(coherd_client *), coherd_client *client)
{
    int status;
    const pid_t child = fork();

    cr_assert_geq(child, 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(60);
        /* A callback in the parent may have held it. */
        pthread_mutex_init(&saw.mutex, NULL);
        pthread_cond_init(&saw.changed, NULL);
        _exit(body(client));
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status), "signal %d", WTERMSIG(status));
    cr_assert_eq(WEXITSTATUS(status), 0, "step %d", WEXITSTATUS(status));
}

/* Wait for a count of the child's own callbacks. */
static bool reaches(const uint64_t *count, uint64_t value)
{
    struct timespec until;
    bool met;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    pthread_mutex_lock(&saw.mutex);
    while (*count < value &&
           pthread_cond_timedwait(&saw.changed, &saw.mutex, &until) == 0) {
    }
    met = *count >= value;
    pthread_mutex_unlock(&saw.mutex);
    return met;
}

static const coherd_publish_options accepted = {.wait = COHERD_WAIT_ACCEPTED,
                                                .timeout_ms = 30000};

static int use_it(coherd_client *client)
{
    const coherd_target key = coherd_key("1");

    saw.resets = saw.events = 0;
    if (coherd_wait_connected(client, 30000) != COHERD_OK) {
        return 2;
    }
    if (!reaches(&saw.resets, 2)) {
        return 3;
    }
    if (coherd_invalidate(client, "a", &key, 1, &accepted, NULL) != COHERD_OK) {
        return 4;
    }
    if (!reaches(&saw.events, 1)) {
        return 5;
    }
    if (coherd_unsubscribe(client, "a") != COHERD_OK) {
        return 6;
    }
    if (coherd_close(&client) != COHERD_OK) {
        return 7;
    }
    return client == NULL ? 0 : 8;
}

Test(client_fork, a_child_starts_over_and_the_parent_goes_on)
{
    const coherd_target key = coherd_key("2");

    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_THREADED);
    coherd_subscribe(client, "a");
    coherd_subscribe_prefix(client, "b");
    FAKE_WAIT(&saw, saw.resets == 2);
    const uint64_t parent_id = sidecar.client;
    in_child(use_it, client);
    FAKE_WAIT(&sidecar, sidecar.hellos == 2 && sidecar.ends == 1);
    cr_assert_neq(sidecar.client, parent_id, "a client id of its own");
    cr_assert_neq(sidecar.pid, (uint64_t)getpid());
    FAKE_WAIT(&saw, saw.events == 1);
    cr_assert_eq(saw.resets, 2, "the parent noticed nothing");
    cr_assert_eq(saw.disconnected, 0);
    cr_assert_eq(coherd_invalidate(client, "a", &key, 1, &accepted, NULL),
                 COHERD_OK);
    FAKE_WAIT(&saw, saw.events == 2);
    coherd_close(&client);
    FAKE_WAIT(&sidecar, sidecar.byes == 2);
}

static int use_it_polled(coherd_client *client)
{
    const int fd = coherd_fd(client);

    saw.resets = 0;
    while (saw.resets < 1) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (poll(&poll_fd, 1, 30000) != 1 ||
            coherd_dispatch(client) != COHERD_OK) {
            return 1;
        }
    }
    if (coherd_publish(client, "x", "y", 1, &accepted, NULL) != COHERD_OK) {
        return 2;
    }
    return coherd_close(&client) == COHERD_OK ? 0 : 3;
}

Test(client_fork, a_polled_child_has_a_descriptor_of_its_own)
{
    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_POLLED);
    coherd_subscribe(client, "a");
    while (saw.resets == 0) {
        struct pollfd fd = {.fd = coherd_fd(client), .events = POLLIN};
        poll(&fd, 1, 60000);
        coherd_dispatch(client);
    }
    in_child(use_it_polled, client);
    cr_assert_eq(coherd_publish(client, "x", "y", 1, &accepted, NULL),
                 COHERD_OK);
    cr_assert_eq(sidecar.items, 2);
    cr_assert_eq(coherd_dispatch(client), COHERD_OK);
    cr_assert_eq(saw.disconnected, 0);
    coherd_close(&client);
}

static int close_it(coherd_client *client)
{
    return coherd_close(&client) == COHERD_OK && client == NULL ? 0 : 1;
}

Test(client_fork, closing_in_a_child_says_nothing_on_the_wire)
{
    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_THREADED);
    cr_assert_eq(coherd_wait_connected(client, 60000), COHERD_OK);
    in_child(close_it, client);
    cr_assert_eq(coherd_publish(client, "x", "y", 1, &accepted, NULL),
                 COHERD_OK);
    cr_assert_eq(sidecar.byes, 0);
    cr_assert_eq(sidecar.hellos, 1);
    coherd_close(&client);
}

static int exit_at_once(coherd_client *client)
{
    return client == NULL;
}

/* The child's exit closes its copies: the parent must not notice. */
Test(client_fork, a_child_that_never_calls_disturbs_nobody)
{
    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_THREADED);
    cr_assert_eq(coherd_wait_connected(client, 60000), COHERD_OK);
    for (int i = 0; i < 20; i++) {
        in_child(exit_at_once, client);
        cr_assert_eq(coherd_publish(client, "x", "y", 1, &accepted, NULL),
                     COHERD_OK);
    }
    cr_assert_eq(sidecar.hellos, 1);
    coherd_close(&client);
}

static void *keep_busy(void *arg)
{
    const coherd_target key = coherd_key("1");
    char topic[32];

    /* Ends when the client is closed. */
    for (unsigned i = 0;; i++) {
        snprintf(topic, sizeof(topic), "t%u", i % 50);
        (void)coherd_subscribe(arg, topic);
        (void)coherd_invalidate(arg, topic, &key, 1, NULL, NULL);
        if (coherd_flush(arg, 1000) == COHERD_ERR_CLOSED) {
            return NULL;
        }
        (void)coherd_unsubscribe(arg, topic);
    }
}

static int only_publish(coherd_client *client)
{
    if (coherd_publish(client, "x", "y", 1, &accepted, NULL) != COHERD_OK) {
        return 1;
    }
    /* Nobody changes this one in the parent, so it has to be there. */
    if (coherd_unsubscribe(client, "steady") != COHERD_OK) {
        return 2;
    }
    return coherd_close(&client) == COHERD_OK ? 0 : 3;
}

/* The allocator of AddressSanitizer, unlike that of the C library, does not
 * survive a fork while another thread holds its locks. */
#if defined(__SANITIZE_ADDRESS__)
#define FORKS_ANYTIME 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FORKS_ANYTIME 0
#endif
#endif
#ifndef FORKS_ANYTIME
#define FORKS_ANYTIME 1
#endif

Test(client_fork, a_fork_in_the_middle_of_anything_leaves_a_usable_child)
{
    if (!FORKS_ANYTIME) {
        cr_skip("not with this allocator");
    }
    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_THREADED);
    coherd_client *busy[2] = {client, client};
    pthread_t threads[2];

    coherd_subscribe(client, "steady");
    for (int i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, keep_busy, busy[i]);
    }
    for (int i = 0; i < 100; i++) {
        in_child(only_publish, client);
    }
    FAKE_WAIT(&sidecar, sidecar.hellos == 101);
    /* The threads use the client until a waiting call tells them to stop, so
     * it may not be freed: leave both to the end of the process. */
}

static pid_t forked;
static int child_status;

static void fork_inside(coherd_client *client, const coherd_reset *reset,
                        void *arg)
{
    (void)arg;
    (void)reset;
    if (forked != 0) {
        return;
    }
    forked = fork();
    if (forked == 0) {
        forked = -1;
        alarm(60);
        /* The API works in the child even here; then it has to leave. */
        _exit(coherd_publish(client, "x", "y", 1, &accepted, NULL) == COHERD_OK
                  ? 0
                  : 1);
    }
    waitpid(forked, &child_status, 0);
}

Test(client_fork, a_child_forked_inside_a_callback_can_publish_and_exit)
{
    for (int mode = COHERD_THREADED; mode <= COHERD_POLLED; mode++) {
        const coherd_options options = {.socket = sidecar.path,
                                        .mode = (coherd_mode)mode,
                                        .on_reset = fork_inside};
        coherd_client *client;
        if (!sidecar.runs) {
            fake_start(&sidecar);
        }
        forked = 0;
        child_status = -1;
        cr_assert_eq(coherd_open(&options, &client), COHERD_OK);
        coherd_subscribe(client, "a");
        cr_assert_eq(coherd_publish(client, "x", "y", 1, &accepted, NULL),
                     COHERD_OK);
        if (mode == COHERD_POLLED) {
            while (forked == 0) {
                coherd_dispatch(client);
            }
        }
        FAKE_WAIT(&sidecar, sidecar.applied == 1);
        coherd_close(&client);
        cr_assert_gt(forked, 0);
        cr_assert_eq(child_status, 0);
        FAKE_SET(&sidecar, sidecar.applied = 0);
    }
}

static void return_inside(coherd_client *client, const coherd_reset *reset,
                          void *arg)
{
    (void)client;
    (void)reset;
    (void)arg;
    if (forked == 0) {
        forked = fork();
        if (forked == 0) {
            forked = -1;
            alarm(60);
        }
    }
}

/* Polled mode alone can bear this: the caller of coherd_dispatch is there. */
Test(client_fork, returning_from_a_polled_callback_in_the_child_is_survived)
{
    const coherd_options options = {.socket = sidecar.path,
                                    .mode = COHERD_POLLED,
                                    .on_reset = return_inside};
    coherd_client *client;
    int status;

    fake_start(&sidecar);
    forked = 0;
    cr_assert_eq(coherd_open(&options, &client), COHERD_OK);
    coherd_subscribe(client, "a");
    while (forked == 0) {
        if (coherd_dispatch(client) != COHERD_OK) {
            break;
        }
    }
    if (forked == -1) {
        _exit(coherd_publish(client, "x", "y", 1, &accepted, NULL) ==
                          COHERD_OK &&
                      coherd_dispatch(client) == COHERD_OK &&
                      coherd_close(&client) == COHERD_OK
                  ? 0
                  : 1);
    }
    cr_assert_eq(waitpid(forked, &status, 0), forked);
    cr_assert_eq(status, 0);
    cr_assert_eq(coherd_publish(client, "x", "y", 1, &accepted, NULL),
                 COHERD_OK);
    cr_assert_eq(sidecar.items, 2);
    coherd_close(&client);
}
