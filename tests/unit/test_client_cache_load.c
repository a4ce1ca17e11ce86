/* Loads, updates, and what overtakes them: every order, one after the other. */
#include "tests/unit/test_client_cached.h"

TestSuite(client_cache_load, .init = set_up_source, .fini = tear_down_cache,
          .timeout = 100);

/* --- guarded -------------------------------------------------------------- */

static coherd_event update_event(const char *value, uint64_t hlc)
{
    return (coherd_event){
        .kind = COHERD_UPDATE,
        .topic = "t",
        .topic_len = 1,
        .target = coherd_key("51"),
        .value = value,
        .value_len = strlen(value),
        .hlc = hlc,
    };
}

static void update(const char *value, uint64_t hlc)
{
    const coherd_event event = update_event(value, hlc);

    chd_caches_event(client, &event);
}

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

Test(client_cache_load, what_is_invalidated_while_it_is_loaded_is_not_stored)
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

static const char *overtaken;
static coherd_target overtaking;

/* Invalidate the key, load it anew, and let others evict it again. */
static void overtake(void)
{
    char key[32];

    source.meanwhile = NULL;
    source.value = "new";
    invalidate(overtaking, NULL);
    cr_assert_str_eq(get(overtaken), "new");
    for (int i = 0; i < 8; i++) {
        snprintf(key, sizeof(key), "instead of %s: %d", overtaken, i);
        get(key);
    }
    cr_assert_not(has(overtaken));
}

Test(client_cache_load, an_old_load_is_refused_though_the_new_entry_is_gone)
{
    const coherd_cache_options options = {.entries_max = 4};
    const struct {
        const char *key;
        coherd_target target;
    } all[] = {
        {"51", coherd_key("51")},
        {"52", coherd_tag("home")}, /* known only when it is loaded */
        {"53", coherd_prefix("5")},
        {"54", coherd_all()},
    };

    open_all(&options);
    source.tag = "home";
    for (size_t i = 0; i < CHD_COUNT(all); i++) {
        source.value = "old";
        source.meanwhile = overtake;
        overtaken = all[i].key;
        overtaking = all[i].target;
        cr_assert_str_eq(get(overtaken), "old", "as fresh as the call");
        cr_assert_not(has(overtaken), "%zu", i);
        cr_assert_eq(stats().refused, i + 1);
        cr_assert_str_eq(get(overtaken), "new");
    }
}

static void drop_everything(void)
{
    source.meanwhile = NULL;
    invalidate(coherd_all(), NULL); /* hlc 1 */
    cr_assert_not(has("51"));
    update("of one that had not dropped it yet", 1);
    update("the same, and its clock is ahead", 1000);
    cr_assert_not(has("51"));
}

Test(client_cache_load, nobody_seeds_what_was_there_before_all_was_dropped)
{
    open_all(NULL);
    get("51");
    source.meanwhile = drop_everything;
    cr_assert_str_eq(get("52"), "old");
    cr_assert_not(has("52"));
    cr_assert_not(has("51"));
    cr_assert_eq(stats().entries, 0);
}

Test(client_cache_load, an_old_version_is_not_stored)
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

Test(client_cache_load, without_a_connection_values_are_served_and_not_stored)
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

Test(client_cache_load, what_may_be_staler_than_the_bound_is_not_served)
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
        return strdup(coherd_err_name(err));
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

/* So many threads ask for the same; each is told that. */
static void ask_at_once(size_t count, const char *told)
{
    pthread_t threads[8];

    HOLD(true);
    for (size_t i = 0; i < count; i++) {
        pthread_create(&threads[i], NULL, get_in_thread, NULL);
    }
    wait_for_shared(count - 1);
    HOLD(false);
    for (size_t i = 0; i < count; i++) {
        void *text;
        pthread_join(threads[i], &text);
        cr_assert_str_eq(text, told);
        free(text);
    }
    cr_assert_eq(source.calls, 1);
}

Test(client_cache_load, many_callers_share_one_load)
{
    open_all(NULL);
    ask_at_once(8, "old");
}

Test(client_cache_load, many_callers_share_one_failure)
{
    open_all(NULL);
    source.failure = 5;
    ask_at_once(4, "COHERD_ERR_LOADER");
}

Test(client_cache_load, nobody_joins_a_load_that_was_overtaken)
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

Test(client_cache_load, nobody_joins_a_load_that_is_older_than_the_bound)
{
    const coherd_cache_options options = {.max_staleness_ms = 2};
    pthread_t first;
    pthread_t second;
    void *text;

    open_all(&options);
    cr_assert_eq(coherd_staleness(client), COHERD_STALENESS_UNKNOWN);
    HOLD(true);
    pthread_create(&first, NULL, get_in_thread, NULL);
    FAKE_WAIT(&source, source.inside == 1);
    const uint64_t since_ns = chd_lib_now_ns();
    while (chd_lib_now_ns() - since_ns < 3 * CHD_MS) {
        sched_yield();
    }
    /* Nothing tells this client that the row has changed. */
    pthread_mutex_lock(&source.mutex);
    source.value = "new";
    pthread_mutex_unlock(&source.mutex);
    pthread_create(&second, NULL, get_in_thread, NULL);
    FAKE_WAIT(&source, source.inside == 2);
    HOLD(false);
    pthread_join(first, &text);
    cr_assert_str_eq(text, "old");
    free(text);
    pthread_join(second, &text);
    cr_assert_str_eq(text, "new");
    free(text);
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

Test(client_cache_load, an_older_load_never_replaces_a_newer_one)
{
    open_all(NULL);
    source.meanwhile = load_newer;
    cr_assert_str_eq(get("51"), "old");
    cr_assert_str_eq(get("51"), "new");
    cr_assert_eq(source.calls, 2);
}

Test(client_cache_load, while_one_loads_others_get_what_is_stale)
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

Test(client_cache_load, a_loader_that_asks_for_its_own_key_is_told)
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

Test(client_cache_load, the_newest_update_wins_in_any_order)
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

Test(client_cache_load, an_invalidation_beats_an_older_update)
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

static void update_to(const char *value, uint64_t hlc, uint64_t version)
{
    coherd_event event = update_event(value, hlc);

    event.version = version;
    chd_caches_event(client, &event);
}

Test(client_cache_load, of_updates_with_versions_the_newest_version_wins)
{
    const struct {
        uint64_t hlc;
        uint64_t version;
        const char *then;
    } steps[] = {
        {1000, 7, "7"}, /* the row was read at version 6 */
        {1003, 6, "7"}, /* published anew after its sidecar had died */
        {1001, 9, "9"}, /* its publisher's clock is late */
        {1002, 8, "9"}, {1004, 9, "9"}, {1005, 10, "10"},
    };
    char text[8];

    open_all(NULL);
    source.version = 6;
    cr_assert_str_eq(get("51"), "old");
    for (size_t i = 0; i < CHD_COUNT(steps); i++) {
        snprintf(text, sizeof(text), "%d", (int)steps[i].version);
        update_to(text, steps[i].hlc, steps[i].version);
        cr_assert_str_eq(get("51"), steps[i].then, "%zu", i);
    }
    cr_assert_eq(source.calls, 1);
    cr_assert_eq(stats().updates, 3);
}

Test(client_cache_load, an_update_that_the_loaded_row_knows_changes_nothing)
{
    open_all(NULL);
    source.version = 6;
    get("51");
    for (uint64_t version = 5; version <= 6; version++) {
        update_to("late", 1000, version);
        cr_assert_str_eq(get("51"), "old");
    }
    cr_assert_eq(source.calls, 1);
}

Test(client_cache_load, an_update_older_than_a_soft_invalidation_stores_nothing)
{
    const coherd_publish_options soft = {.soft = true, .version = 6};
    const coherd_cache_options options = {.stale_ms = 3600000};
    const uint64_t versions[] = {5, 0}; /* 0: not known */

    open_all(&options);
    source.tag = "home";
    source.version = 4;
    get("51");
    for (size_t i = 0; i < CHD_COUNT(versions); i++) {
        invalidate(coherd_tag("home"), &soft);
        cr_assert(has("51"));
        update_to("late", 1000, versions[i]);
        cr_assert_not(has("51"), "%zu", i);
        source.version = 6; /* nothing older is stored now */
        get("51");
    }
    invalidate(coherd_tag("home"), &soft);
    update_to("new", 1000, 7);
    cr_assert_str_eq(get("51"), "new");
}

Test(client_cache_load,
     after_a_soft_reset_an_update_may_be_older_than_was_missed)
{
    const coherd_cache_options options = {.on_reset = COHERD_RESET_SOFT,
                                          .stale_ms = 3600000};

    open_all(&options);
    source.version = 4;
    get("51");
    chd_caches_reset(client, NULL);
    cr_assert(has("51"));
    update_to("late", 1000, 5);
    cr_assert_not(has("51"));
}

Test(client_cache_load, updates_may_just_drop)
{
    const coherd_cache_options options = {.updates_drop = true};

    open_all(&options);
    get("51");
    update("new", 1000);
    cr_assert_not(has("51"));
    cr_assert_eq(stats().updates, 1);
}

Test(client_cache_load, a_published_update_reaches_the_entry)
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
