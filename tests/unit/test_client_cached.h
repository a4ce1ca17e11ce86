/* test_client_cached.h - a cache with a real client, and what its loader
 * answers, for the tests of client/cache.
 */
#ifndef CHD_TESTS_UNIT_TEST_CLIENT_CACHED_H
#define CHD_TESTS_UNIT_TEST_CLIENT_CACHED_H

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

static inline void set_up_source(void)
{
    set_up();
    memset(&source, 0, sizeof(source));
    pthread_mutex_init(&source.mutex, NULL);
    pthread_cond_init(&source.changed, NULL);
    source.value = "old";
    source.ttl_ms = -1;
    fake_start(&sidecar);
}

static inline void tear_down_cache(void)
{
    coherd_cache_close(&cache);
    cr_assert_eq(coherd_close(&client), COHERD_OK);
    tear_down();
}

static inline int load(coherd_load *into, const void *key, size_t key_len,
                       void *arg)
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

static inline void open_all(const coherd_cache_options *options)
{
    client = open_client(COHERD_THREADED);
    cr_assert_eq(coherd_cache_open(client, "t", options, &cache), COHERD_OK);
    FAKE_WAIT(&saw, saw.resets == 1);
}

/* Get or load, and return the value as text. */
static inline const char *get(const char *key)
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

static inline bool has(const char *key)
{
    coherd_value *value = NULL;
    const coherd_err err = coherd_cache_get(cache, key, strlen(key), &value);

    coherd_value_release(&value);
    cr_assert(err == COHERD_OK || err == COHERD_ERR_NOT_CACHED ||
              err == COHERD_ERR_NOT_FOUND);
    return err != COHERD_ERR_NOT_CACHED;
}

static inline coherd_cache_stats stats(void)
{
    coherd_cache_stats all;
    coherd_cache_read_stats(cache, &all);
    return all;
}

/* Publish, and wait until it was applied here. */
static inline void invalidate(coherd_target target,
                              const coherd_publish_options *options)
{
    pthread_mutex_lock(&saw.mutex);
    const uint64_t before = saw.events;
    pthread_mutex_unlock(&saw.mutex);
    cr_assert_eq(coherd_invalidate(client, "t", &target, 1, options, NULL),
                 COHERD_OK);
    FAKE_WAIT(&saw, saw.events > before);
}

#endif
