/* fork.c - what becomes of a handle in a forked child.
 *
 * The parent's background thread does not exist in the child, its mutex may be
 * locked for ever, and the engine may have been copied in the middle of a
 * change.  The child therefore takes nothing from it but the list of topics
 * (topics.c says why that can be trusted) and the descriptors' numbers:
 *
 *   1. The first call notices: a page that the kernel wipes on fork reads 0,
 *      or, where there is no such page, the process id is another one.
 *   2. One thread wins the right to take over; others wait for it.
 *   3. It makes new locks, closes its copies of the descriptors (the parent's
 *      connection lives on in the parent), and builds a new engine with a new
 *      client id and the old subscriptions.
 *   4. In threaded mode chd_lib_enter starts a new thread, after all this: the
 *      thread may call the application, and looks at the owner after that.
 */
#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/lib.h"

#define OWNER_BUSY UINT32_MAX /* a thread is taking over */
#define OWNER_NONE 0          /* what a wiped page reads */

/* Return what the owner word reads in the process that owns the handle. */
static uint32_t owner_expected(const coherd_client *client)
{
    return client->owner_is_page ? 1 : (uint32_t)getpid();
}

void chd_lib_owner_init(coherd_client *client)
{
    const size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page != MAP_FAILED && madvise(page, size, MADV_WIPEONFORK) == 0) {
        client->owner = page;
        client->owner_is_page = true;
    } else {
        if (page != MAP_FAILED) {
            munmap(page, size);
        }
        client->owner = &client->owner_here;
        client->owner_is_page = false;
    }
    atomic_store(client->owner, owner_expected(client));
}

void chd_lib_owner_fini(coherd_client *client)
{
    if (client->owner_is_page) {
        munmap((void *)client->owner, (size_t)sysconf(_SC_PAGESIZE));
    }
    client->owner = NULL;
}

bool chd_lib_is_child(coherd_client *client)
{
    return atomic_load(client->owner) != owner_expected(client);
}

void chd_lib_abandon_descriptors(coherd_client *client)
{
    chd_fd_close(&client->socket_fd);
    chd_fd_close(&client->epoll_fd);
    chd_fd_close(&client->timer_fd);
    chd_fd_close(&client->event_fd);
}

/* Everything under the mutex, as coherd_open leaves it. */
static void forget(coherd_client *client)
{
    client->thread_runs = false;
    client->closing = false;
    client->waiting_calls = 0;
    client->io_busy = client->dispatching = false;
    client->io_claims = 0;
    client->in_callback = false;
    client->in_begin = client->in_end = 0;
    client->writable_wanted = client->write_failed = false;
    client->why = client->farewell = (chd_why){0};
    client->receipt_waiters = client->report_waiters = NULL;
    client->later_count = 0;
    client->receipts_due = false;
    client->last_request = 0;
    client->kept_begin = client->kept_end = 0;
    client->kept_lost = false;
    client->staleness_kept = false;
}

static coherd_err subscribe_again(coherd_client *client)
{
    const uint32_t count = atomic_load(&client->topic_count);
    uint32_t kept = 0;

    for (uint32_t i = 0; i < count; i++) {
        chd_topic *topic = atomic_load(&client->topics[i]);
        if (topic == NULL) {
            continue;
        }
        const chd_filter filter = {topic->match,
                                   chd_bytes_of(topic->text, topic->len)};
        const uint32_t before = chd_client_subscription_count(client->engine);
        if (chd_client_subscribe(client->engine, &filter) != CHD_OK) {
            return COHERD_ERR_LIMIT;
        }
        /* Listed twice: it was being moved.  The copy is not ours to free. */
        if (chd_client_subscription_count(client->engine) > before) {
            chd_floors_subscribed(client, &filter, true);
            atomic_store(&client->topics[kept++], topic);
        }
    }
    atomic_store(&client->topic_count, kept);
    return COHERD_OK;
}

static coherd_err start_over(coherd_client *client)
{
    coherd_err err;

    chd_lib_abandon_descriptors(client);
    chd_client_destroy(&client->engine);
    forget(client);
    err = chd_lib_make_locks(client);
    if (err == COHERD_OK) {
        err = chd_floors_start_over(client);
    }
    if (err == COHERD_OK) {
        err = chd_caches_start_over(client);
    }
    if (err == COHERD_OK) {
        err = chd_lib_make_engine(client);
    }
    if (err == COHERD_OK) {
        err = subscribe_again(client);
    }
    if (err == COHERD_OK) {
        err = chd_transport_open(client);
    }
    if (err == COHERD_OK) {
        chd_transport_arm(client);
    }
    return err;
}

coherd_err chd_lib_take_over(coherd_client *client)
{
    const uint32_t expected = owner_expected(client);
    uint32_t seen = atomic_load(client->owner);

    while (seen != expected) {
        if (seen == OWNER_BUSY) {
            sched_yield();
            seen = atomic_load(client->owner);
            continue;
        }
        if (!atomic_compare_exchange_weak(client->owner, &seen, OWNER_BUSY)) {
            continue;
        }
        atomic_fetch_add(&client->generation, 1);
        const coherd_err err = start_over(client);
        const int cause = errno;
        atomic_store(client->owner, err == COHERD_OK ? expected : OWNER_NONE);
        errno = cause;
        return err;
    }
    return COHERD_OK;
}
