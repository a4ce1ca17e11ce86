/* The cache with a real client: what is stored, served, shared, dropped. */
#include <sys/wait.h>

#include "client/cache/cache.h"
#include "tests/unit/test_client_seen.h"

static coherd_client *client;
static coherd_cache *cache;

/* What the loader answers, and what it sees. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    const char *value; /* NULL: there is none */
    const char *tag;
    uint64_t version;
    int64_t ttl_ms; /* -1: not said */
    int failure;
    bool held; /* wait in the loader */
    unsigned inside;
    unsigned calls;
    void (*meanwhile)(void);
} source;

static void set_up_source(void)
{
    set_up();
    memset(&source, 0, sizeof(source));
    pthread_mutex_init(&source.mutex, NULL);
    pthread_cond_init(&source.changed, NULL);
    source.value = "old";
    source.ttl_ms = -1;
    fake_start(&sidecar);
}

static void tear_down_cache(void)
{
    coherd_cache_close(&cache);
    cr_assert_eq(coherd_close(&client), COHERD_OK);
    tear_down();
}

TestSuite(client_cache, .init = set_up_source, .fini = tear_down_cache,
          .timeout = 100);

static int load(coherd_load *into, const void *key, size_t key_len, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&source.mutex);
    source.calls++;
    source.inside++;
    pthread_cond_broadcast(&source.changed);
    const char *value = source.value;
    while (source.held) {
        pthread_cond_wait(&source.changed, &source.mutex);
    }
    source.inside--;
    pthread_mutex_unlock(&source.mutex);
    cr_assert(key_len > 0 && key != NULL);
    if (source.meanwhile != NULL) {
        source.meanwhile();
    }
    if (source.failure != 0) {
        return source.failure;
    }
    if (source.tag != NULL) {
        cr_assert_eq(coherd_load_tag(into, source.tag, strlen(source.tag)),
                     COHERD_OK);
    }
    if (source.ttl_ms >= 0) {
        coherd_load_ttl(into, (uint64_t)source.ttl_ms);
    }
    coherd_load_version(into, source.version);
    if (value != NULL) {
        cr_assert_eq(coherd_load_value(into, value, strlen(value)), COHERD_OK);
    }
    return 0;
}

static void open_all(const coherd_cache_options *options)
{
    client = open_client(COHERD_THREADED);
    cr_assert_eq(coherd_cache_open(client, "t", options, &cache), COHERD_OK);
    FAKE_WAIT(&saw, saw.resets == 1);
}

/* Get or load, and return the value as text. */
static const char *get(const char *key)
{
    static char text[64];
    coherd_value *value = NULL;
    const coherd_err err =
        coherd_cache_get_or_load(cache, key, strlen(key), load, NULL, &value);

    if (err != COHERD_OK) {
        cr_assert_null(value);
        return coherd_err_name(err);
    }
    snprintf(text, sizeof(text), "%.*s", (int)value->len,
             (const char *)value->data);
    coherd_value_release(&value);
    return text;
}

static bool has(const char *key)
{
    coherd_value *value = NULL;
    const coherd_err err = coherd_cache_get(cache, key, strlen(key), &value);

    coherd_value_release(&value);
    cr_assert(err == COHERD_OK || err == COHERD_ERR_NOT_CACHED ||
              err == COHERD_ERR_NOT_FOUND);
    return err != COHERD_ERR_NOT_CACHED;
}

static coherd_cache_stats stats(void)
{
    coherd_cache_stats all;
    coherd_cache_read_stats(cache, &all);
    return all;
}

/* Publish, and wait until it was applied here. */
static void invalidate(coherd_target target,
                       const coherd_publish_options *options)
{
    pthread_mutex_lock(&saw.mutex);
    const uint64_t before = saw.events;
    pthread_mutex_unlock(&saw.mutex);
    cr_assert_eq(coherd_invalidate(client, "t", &target, 1, options, NULL),
                 COHERD_OK);
    FAKE_WAIT(&saw, saw.events > before);
}

/* --- storing and serving -------------------------------------------------- */

Test(client_cache, a_value_is_loaded_once)
{
    open_all(NULL);
    cr_assert_not(has("51"));
    cr_assert_str_eq(get("51"), "old");
    cr_assert_str_eq(get("51"), "old");
    cr_assert(has("51"));
    cr_assert_eq(source.calls, 1);
    const coherd_cache_stats all = stats();
    cr_assert_eq(all.hits, 2);
    cr_assert_eq(all.misses, 2);
    cr_assert_eq(all.loads, 1);
    cr_assert_eq(all.stored, 1);
    cr_assert_eq(all.entries, 1);
    cr_assert_gt(all.bytes, 0);
}

Test(client_cache, that_there_is_nothing_is_remembered)
{
    open_all(NULL);
    source.value = NULL;
    cr_assert_str_eq(get("51"), "COHERD_ERR_NOT_FOUND");
    cr_assert_str_eq(get("51"), "COHERD_ERR_NOT_FOUND");
    cr_assert_eq(source.calls, 1);
    source.value = "new";
    invalidate(coherd_key("51"), NULL);
    cr_assert_str_eq(get("51"), "new");
}

Test(client_cache, that_there_is_nothing_is_not_remembered_if_so_configured)
{
    const coherd_cache_options options = {.missing_ttl_ms = -1};

    open_all(&options);
    source.value = NULL;
    cr_assert_str_eq(get("51"), "COHERD_ERR_NOT_FOUND");
    cr_assert_str_eq(get("51"), "COHERD_ERR_NOT_FOUND");
    cr_assert_eq(source.calls, 2);
}

Test(client_cache, a_failure_is_told_and_not_remembered)
{
    open_all(NULL);
    source.failure = 42;
    errno = 0;
    cr_assert_str_eq(get("51"), "COHERD_ERR_LOADER");
    cr_assert_eq(errno, 42);
    source.failure = 0;
    cr_assert_str_eq(get("51"), "old");
    cr_assert_eq(stats().failed, 1);
}

Test(client_cache, a_loader_says_how_long_a_value_lives)
{
    open_all(NULL);
    source.ttl_ms = 0;
    get("none");
    cr_assert_not(has("none"));
    source.ttl_ms = 1;
    get("short");
    while (has("short")) {
        sched_yield();
    }
    cr_assert_eq(stats().expired, 1);
}

Test(client_cache, no_two_entries_expire_together)
{
    unsigned different = 0;

    open_all(NULL);
    const uint64_t first = chd_cache_expiry_ms(1000000, 1);
    for (uint64_t i = 2; i < 100; i++) {
        const uint64_t at = chd_cache_expiry_ms(1000000, i);
        const uint64_t now_ms = chd_cache_now_ms();
        different += at != first;
        cr_assert_leq(at, now_ms + 1000000);
        cr_assert_geq(at, now_ms + 900000 - 1000);
    }
    cr_assert_gt(different, 90);
}

/* --- what happens --------------------------------------------------------- */

Test(client_cache, every_target_drops_what_it_covers)
{
    const struct {
        coherd_target target;
        bool dropped;
    } all[] = {
        {coherd_key("user/51"), true},  {coherd_key("user/5"), false},
        {coherd_tag("home"), true},     {coherd_tag("about"), false},
        {coherd_prefix("user/"), true}, {coherd_prefix("user/6"), false},
        {coherd_prefix(""), true},      {coherd_all(), true},
    };

    open_all(NULL);
    source.tag = "home";
    for (size_t i = 0; i < CHD_COUNT(all); i++) {
        get("user/51");
        cr_assert(has("user/51"));
        invalidate(all[i].target, NULL);
        cr_assert_eq(has("user/51"), !all[i].dropped, "%zu", i);
    }
    const coherd_cache_stats sum = stats();
    cr_assert_eq(sum.keys, 1);
    cr_assert_eq(sum.tags, 1);
    cr_assert_eq(sum.prefixes, 2);
    cr_assert_eq(sum.all, 1);
}

Test(client_cache, a_reset_drops_everything)
{
    open_all(NULL);
    get("51");
    FAKE_SET(&sidecar, sidecar.drop_sessions = true);
    FAKE_WAIT(&saw, saw.resets == 2);
    cr_assert_not(has("51"));
    cr_assert_eq(stats().resets, 1);
}

Test(client_cache, a_reset_may_mark_stale_instead)
{
    const coherd_cache_options options = {.on_reset = COHERD_RESET_SOFT,
                                          .stale_ms = 3600000};

    open_all(&options);
    get("51");
    FAKE_SET(&sidecar, sidecar.drop_sessions = true);
    FAKE_WAIT(&saw, saw.resets == 2);
    cr_assert(has("51"));
    source.value = "new";
    cr_assert_str_eq(get("51"), "new");
    cr_assert_eq(stats().stale, 2);
}

Test(client_cache, a_soft_invalidation_is_served_until_it_is_loaded)
{
    const coherd_publish_options soft = {.soft = true};
    const coherd_cache_options options = {.stale_ms = 3600000};

    open_all(&options);
    get("51");
    invalidate(coherd_key("51"), &soft);
    source.failure = 1;
    cr_assert_str_eq(get("51"), "old", "stale is better than an error");
    source.failure = 0;
    source.value = "new";
    cr_assert_str_eq(get("51"), "new");
    cr_assert_str_eq(get("51"), "new");
    cr_assert_eq(source.calls, 3);
}

Test(client_cache, stale_values_are_not_served_for_ever)
{
    const coherd_publish_options soft = {.soft = true};
    const coherd_cache_options options = {.stale_ms = 1};

    open_all(&options);
    get("51");
    invalidate(coherd_key("51"), &soft);
    while (has("51")) {
        sched_yield();
    }
}

Test(client_cache, unsubscribing_empties_the_cache)
{
    open_all(NULL);
    get("51");
    cr_assert_eq(coherd_unsubscribe(client, "t"), COHERD_OK);
    cr_assert_not(has("51"));
    cr_assert_str_eq(get("51"), "old");
    cr_assert_not(has("51"));
    cr_assert_eq(stats().unheard, 1);
}

/* --- guarded -------------------------------------------------------------- */

static void invalidate_key(void)
{
    invalidate(coherd_key("51"), NULL);
}

static void invalidate_tag(void)
{
    invalidate(coherd_tag("home"), NULL);
}

static void lose_connection(void)
{
    FAKE_SET(&sidecar, sidecar.drop_sessions = true);
    FAKE_WAIT(&saw, saw.resets == 2);
}

Test(client_cache, what_is_invalidated_while_it_is_loaded_is_not_stored)
{
    void (*const things[])(void) = {invalidate_key, invalidate_tag,
                                    lose_connection};

    open_all(NULL);
    source.tag = "home";
    for (size_t i = 0; i < CHD_COUNT(things); i++) {
        source.meanwhile = things[i];
        cr_assert_str_eq(get("51"), "old", "%zu", i);
        cr_assert_not(has("51"), "%zu", i);
        cr_assert_eq(stats().refused, i + 1);
    }
    source.meanwhile = NULL;
    get("51");
    cr_assert(has("51"));
}

Test(client_cache, an_old_version_is_not_stored)
{
    const coherd_publish_options demand = {.version = 8};

    open_all(NULL);
    source.version = 7;
    invalidate(coherd_key("51"), &demand);
    get("51");
    cr_assert_not(has("51"));
    cr_assert_eq(stats().old, 1);
    source.version = 8;
    get("51");
    cr_assert(has("51"));
}

Test(client_cache, without_a_connection_values_are_served_and_not_stored)
{
    open_all(NULL);
    get("51");
    fake_kill(&sidecar);
    FAKE_WAIT(&saw, saw.disconnected >= 1);
    cr_assert(has("51"));
    cr_assert_str_eq(get("52"), "old");
    cr_assert_not(has("52"));
    cr_assert_eq(stats().unheard, 1);
}

Test(client_cache, what_may_be_staler_than_the_bound_is_not_served)
{
    const coherd_cache_options options = {.max_staleness_ms = 60000};

    FAKE_SET(&sidecar, sidecar.fresh = true; sidecar.ping_ms = 20);
    open_all(&options);
    get("51");
    while (!has("51")) {
        sched_yield();
    }
    FAKE_SET(&sidecar, sidecar.fresh_age_ns = 3600 * CHD_SECOND);
    while (has("51")) {
        sched_yield();
    }
    source.value = "new";
    cr_assert_str_eq(get("51"), "new");
}

/* --- one load for many ---------------------------------------------------- */

static void *get_in_thread(void *arg)
{
    coherd_value *value = NULL;

    (void)arg;
    const coherd_err err =
        coherd_cache_get_or_load(cache, "51", 2, load, NULL, &value);
    if (err != COHERD_OK) {
        return (void *)coherd_err_name(err);
    }
    void *text = strndup(value->data, value->len);
    coherd_value_release(&value);
    return text;
}

#define HOLD(on)                                                               \
    do {                                                                       \
        pthread_mutex_lock(&source.mutex);                                     \
        source.held = (on);                                                    \
        pthread_cond_broadcast(&source.changed);                               \
        pthread_mutex_unlock(&source.mutex);                                   \
    } while (0)

static void wait_for_shared(uint64_t count)
{
    while (stats().shared < count) {
        sched_yield();
    }
}

Test(client_cache, many_callers_share_one_load)
{
    pthread_t threads[8];
    void *text;

    open_all(NULL);
    HOLD(true);
    for (size_t i = 0; i < CHD_COUNT(threads); i++) {
        pthread_create(&threads[i], NULL, get_in_thread, NULL);
    }
    wait_for_shared(CHD_COUNT(threads) - 1);
    HOLD(false);
    for (size_t i = 0; i < CHD_COUNT(threads); i++) {
        pthread_join(threads[i], &text);
        cr_assert_str_eq(text, "old");
        free(text);
    }
    cr_assert_eq(source.calls, 1);
}

Test(client_cache, many_callers_share_one_failure)
{
    pthread_t threads[4];
    void *text;

    open_all(NULL);
    source.failure = 5;
    HOLD(true);
    for (size_t i = 0; i < CHD_COUNT(threads); i++) {
        pthread_create(&threads[i], NULL, get_in_thread, NULL);
    }
    wait_for_shared(CHD_COUNT(threads) - 1);
    HOLD(false);
    for (size_t i = 0; i < CHD_COUNT(threads); i++) {
        pthread_join(threads[i], &text);
        cr_assert_str_eq(text, "COHERD_ERR_LOADER");
    }
    cr_assert_eq(source.calls, 1);
}

Test(client_cache, nobody_joins_a_load_that_was_overtaken)
{
    const coherd_target targets[] = {coherd_key("51"), coherd_tag("x"),
                                     coherd_prefix("5"), coherd_all()};
    pthread_t first;
    void *text;

    open_all(NULL);
    source.tag = "x";
    for (size_t i = 0; i < CHD_COUNT(targets); i++) {
        source.value = "old";
        HOLD(true);
        pthread_create(&first, NULL, get_in_thread, NULL);
        FAKE_WAIT(&source, source.inside == 1);
        invalidate(targets[i], NULL);
        pthread_t second;
        source.value = "new";
        pthread_create(&second, NULL, get_in_thread, NULL);
        FAKE_WAIT(&source, source.inside == 2);
        HOLD(false);
        pthread_join(second, &text);
        cr_assert_str_eq(text, "new", "%zu", i);
        free(text);
        pthread_join(first, &text);
        cr_assert_str_eq(text, "old");
        free(text);
        cr_assert_str_eq(get("51"), "new");
        invalidate(coherd_all(), NULL);
    }
}

static void load_newer(void)
{
    /* A tag that the value does not have: the ticket is good, but nobody may
     * join the load any more. */
    source.meanwhile = NULL;
    source.value = "new";
    invalidate(coherd_tag("unrelated"), NULL);
    cr_assert_str_eq(get("51"), "new");
}

Test(client_cache, an_older_load_never_replaces_a_newer_one)
{
    open_all(NULL);
    source.meanwhile = load_newer;
    cr_assert_str_eq(get("51"), "old");
    cr_assert_str_eq(get("51"), "new");
    cr_assert_eq(source.calls, 2);
}

Test(client_cache, while_one_loads_others_get_what_is_stale)
{
    const coherd_publish_options soft = {.soft = true};
    const coherd_cache_options options = {.stale_ms = 3600000};
    pthread_t thread;
    void *text;

    open_all(&options);
    get("51");
    invalidate(coherd_key("51"), &soft);
    source.value = "new";
    HOLD(true);
    pthread_create(&thread, NULL, get_in_thread, NULL);
    FAKE_WAIT(&source, source.inside == 1);
    cr_assert_str_eq(get("51"), "old");
    cr_assert_str_eq(get("51"), "old");
    HOLD(false);
    pthread_join(thread, &text);
    cr_assert_str_eq(text, "new");
    free(text);
    cr_assert_eq(source.calls, 2);
}

static int load_itself(coherd_load *into, const void *key, size_t key_len,
                       void *arg)
{
    coherd_value *value;

    (void)into;
    *(coherd_err *)arg =
        coherd_cache_get_or_load(cache, key, key_len, load_itself, arg, &value);
    return 7;
}

Test(client_cache, a_loader_that_asks_for_its_own_key_is_told)
{
    coherd_err err = COHERD_OK;
    coherd_value *value;

    open_all(NULL);
    cr_assert_eq(
        coherd_cache_get_or_load(cache, "51", 2, load_itself, &err, &value),
        COHERD_ERR_LOADER);
    cr_assert_eq(err, COHERD_ERR_MODE);
}

/* --- updates -------------------------------------------------------------- */

static void update(const char *value, uint64_t hlc)
{
    const coherd_event event = {
        .kind = COHERD_UPDATE,
        .topic = "t",
        .topic_len = 1,
        .target = coherd_key("51"),
        .value = value,
        .value_len = strlen(value),
        .hlc = hlc,
    };
    chd_caches_event(client, &event);
}

Test(client_cache, the_newest_update_wins_in_any_order)
{
    open_all(NULL);
    source.tag = "home";
    const struct {
        uint64_t hlc[3];
    } orders[] = {{{1, 2, 3}}, {{1, 3, 2}}, {{2, 1, 3}},
                  {{2, 3, 1}}, {{3, 1, 2}}, {{3, 2, 1}}};

    for (size_t i = 0; i < CHD_COUNT(orders); i++) {
        cr_assert_str_eq(get("51"), "old");
        for (size_t j = 0; j < 3; j++) {
            const char *values[] = {"", "one", "two", "three"};
            update(values[orders[i].hlc[j]], 1000 + orders[i].hlc[j]);
        }
        cr_assert_str_eq(get("51"), "three", "%zu", i);
        invalidate(coherd_tag("home"), NULL);
        cr_assert_not(has("51"), "an update keeps the tags");
    }
}

Test(client_cache, an_invalidation_beats_an_older_update)
{
    open_all(NULL);
    invalidate(coherd_key("51"), NULL);
    invalidate(coherd_key("52"), NULL); /* hlc 2 */
    cr_assert_str_eq(get("51"), "old");
    update("late", 1);
    cr_assert_not(has("51"), "what may be older or newer is dropped");
    update("later", 2);
    cr_assert_not(has("51"), "an update fills nothing");
    cr_assert_str_eq(get("51"), "old");
    update("newest", 3);
    cr_assert_str_eq(get("51"), "newest");
    update("again", 3);
    cr_assert_str_eq(get("51"), "newest");
    invalidate(coherd_key("51"), NULL);
    cr_assert_not(has("51"));
}

Test(client_cache, updates_may_just_drop)
{
    const coherd_cache_options options = {.updates_drop = true};

    open_all(&options);
    get("51");
    update("new", 1000);
    cr_assert_not(has("51"));
    cr_assert_eq(stats().updates, 1);
}

Test(client_cache, a_published_update_reaches_the_entry)
{
    const coherd_entry entry = {"51", 2, "new", 3};

    open_all(NULL);
    get("51");
    cr_assert_eq(coherd_update(client, "t", &entry, NULL, NULL), COHERD_OK);
    FAKE_WAIT(&saw, saw.events == 1);
    cr_assert_str_eq(get("51"), "new");
    cr_assert_eq(coherd_cache_update(cache, &entry, NULL, NULL), COHERD_OK);
    FAKE_WAIT(&saw, saw.events == 2);
    cr_assert_not(has("51"));
}

/* --- publishing ----------------------------------------------------------- */

Test(client_cache, nothing_is_published_but_what_is_asked_for)
{
    const coherd_cache_options options = {.entries_max = 10};
    const coherd_target target = coherd_key("1");
    char key[16];

    open_all(&options);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "%d", i);
        source.ttl_ms = i % 2;
        get(key);
        has(key);
    }
    source.value = NULL;
    get("missing");
    source.failure = 1;
    get("failing");
    cr_assert_gt(stats().evicted, 0);
    cr_assert_eq(coherd_cache_invalidate(cache, &target, 1, NULL, NULL),
                 COHERD_OK);
    FAKE_WAIT(&saw, saw.events == 1);
    FAKE_WAIT(&sidecar, sidecar.publishes == 1 && sidecar.items == 1);
}

Test(client_cache, an_own_invalidation_is_applied_before_it_is_published)
{
    const coherd_target targets[] = {coherd_key("51"), coherd_tag("x")};
    const coherd_target bad = {COHERD_TARGET_NONE, NULL, 0};

    open_all(NULL);
    get("51");
    FAKE_SET(&sidecar, sidecar.deaf = true);
    cr_assert_eq(coherd_cache_invalidate(cache, targets, 2, NULL, NULL),
                 COHERD_OK);
    cr_assert_not(has("51"));
    cr_assert_eq(coherd_cache_invalidate(cache, &bad, 1, NULL, NULL),
                 COHERD_ERR_INVALID);
    FAKE_SET(&sidecar, sidecar.deaf = false);
}

static void invalidate_here(void)
{
    const coherd_target target = coherd_key("51");
    cr_assert_eq(coherd_cache_invalidate(cache, &target, 1, NULL, NULL),
                 COHERD_OK);
}

Test(client_cache, an_own_invalidation_refuses_fills_under_way)
{
    open_all(NULL);
    FAKE_SET(&sidecar, sidecar.deaf = true);
    source.meanwhile = invalidate_here;
    get("51");
    cr_assert_not(has("51"));
    cr_assert_eq(stats().refused, 1);
    FAKE_SET(&sidecar, sidecar.deaf = false);
}

/* --- opening and closing -------------------------------------------------- */

Test(client_cache, a_client_is_not_closed_under_its_cache)
{
    open_all(NULL);
    cr_assert_eq(coherd_close(&client), COHERD_ERR_MODE);
    get("51");
    cr_assert(has("51"));
}

Test(client_cache, values_outlive_their_cache)
{
    coherd_value *value;

    open_all(NULL);
    cr_assert_eq(coherd_cache_get_or_load(cache, "51", 2, load, NULL, &value),
                 COHERD_OK);
    coherd_cache_close(&cache);
    cr_assert_null(cache);
    cr_assert_arr_eq(value->data, "old", 3);
    coherd_value_release(&value);
}

Test(client_cache, two_caches_of_one_topic_hear_the_same)
{
    coherd_cache *other = NULL;
    coherd_value *value;

    open_all(NULL);
    cr_assert_eq(coherd_cache_open(client, "t", NULL, &other), COHERD_OK);
    get("51");
    cr_assert_eq(coherd_cache_get_or_load(other, "51", 2, load, NULL, &value),
                 COHERD_OK);
    coherd_value_release(&value);
    invalidate(coherd_key("51"), NULL);
    cr_assert_not(has("51"));
    cr_assert_eq(coherd_cache_get(other, "51", 2, &value),
                 COHERD_ERR_NOT_CACHED);
    coherd_cache_close(&other);
}

Test(client_cache, a_child_has_an_empty_cache_of_its_own)
{
    open_all(NULL);
    get("51");
    const pid_t child = fork();
    if (child == 0) {
        coherd_value *value = NULL;
        if (coherd_cache_get(cache, "51", 2, &value) != COHERD_ERR_NOT_CACHED) {
            _exit(1);
        }
        if (coherd_wait_connected(client, 60000) != COHERD_OK) {
            _exit(2);
        }
        while (coherd_cache_get(cache, "51", 2, &value) != COHERD_OK) {
            if (coherd_cache_get_or_load(cache, "51", 2, load, NULL, &value) !=
                COHERD_OK) {
                _exit(3);
            }
            coherd_value_release(&value);
        }
        coherd_value_release(&value);
        coherd_cache_close(&cache);
        _exit(coherd_close(&client) == COHERD_OK ? 0 : 4);
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", status);
    cr_assert(has("51"));
}

Test(client_cache, arguments_are_checked)
{
    coherd_cache *other = NULL;
    coherd_value *value;
    const coherd_cache_options bad[] = {
        {.reserved = {1}},
        {.on_reset = (coherd_on_reset)7},
        {.max_staleness_ms = -1},
    };

    open_all(NULL);
    for (size_t i = 0; i < CHD_COUNT(bad); i++) {
        cr_assert_eq(coherd_cache_open(client, "t", &bad[i], &other),
                     COHERD_ERR_INVALID);
    }
    cr_assert_eq(coherd_cache_open(client, "", NULL, &other),
                 COHERD_ERR_INVALID);
    cr_assert_eq(coherd_cache_get(cache, "", 0, &value), COHERD_ERR_INVALID);
    cr_assert_eq(coherd_cache_get_or_load(cache, "k", 1, NULL, NULL, &value),
                 COHERD_ERR_INVALID);
    coherd_cache_close(&other);
    coherd_cache_close(NULL);
}
