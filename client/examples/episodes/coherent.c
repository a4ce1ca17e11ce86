/* coherent.c - the pages in the cache of libcoherd.
 *
 * The four places that matter: the loader says the version that it read and,
 * for lists, the tag; a get is served with how stale it may be; a change is
 * told after the commit, with its version.  Everything else is done inside.
 */
#include <coherd_cache.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "pages.h"

#define TOPIC "episodes"
#define RECEIPT_MS 1000
#define FLUSH_MS 2000
#define TAG_BYTES (sizeof("show ") + SHOW_BYTES_MAX)

struct pages {
    struct store *source;
    coherd_client *client;
    coherd_cache *cache;
};

bool pages_open(const struct pages_options *options, struct pages **pages)
{
    const coherd_options client = {.socket = options->socket,
                                   .name = "episodes"};
    const coherd_cache_options cache = {
        .ttl_ms = options->ttl_ms,
        .max_staleness_ms = options->max_staleness_ms,
    };
    struct pages *made = calloc(1, sizeof(*made));

    if (made == NULL) {
        return false;
    }
    made->source = options->source;
    coherd_err err = coherd_open(&client, &made->client);
    if (err == COHERD_OK) {
        err = coherd_cache_open(made->client, TOPIC, &cache, &made->cache);
    }
    if (err != COHERD_OK) {
        fprintf(stderr, "episodes: cache: %s\n", coherd_strerror(err));
        pages_close(made);
        return false;
    }
    /* It need not be connected yet: until then every page is read anew. */
    *pages = made;
    return true;
}

void pages_close(struct pages *pages)
{
    if (pages->client != NULL) {
        (void)coherd_flush(pages->client, FLUSH_MS);
    }
    coherd_cache_close(&pages->cache);
    (void)coherd_close(&pages->client);
    free(pages);
}

/* --- reading -------------------------------------------------------------- */

struct request {
    const struct pages *pages;
    const struct wanted *wanted;
    bool read, failed;
};

/* The tag of all lists that episodes of a show are in; of the empty show:
 * of the lists of everything. */
static coherd_target tag_of(const char *show, char tag[TAG_BYTES])
{
    snprintf(tag, TAG_BYTES, "show %s", show);
    return coherd_tag(tag);
}

static int load(coherd_load *load, const void *key, size_t key_len, void *arg)
{
    struct request *request = arg;
    struct document found;
    char tag[TAG_BYTES];
    coherd_err err = COHERD_OK;

    (void)key, (void)key_len; /* the same as wanted says */
    request->read = true;
    const int failure =
        store_read(request->pages->source, request->wanted, &found);
    if (failure != 0) {
        request->failed = true;
        return failure;
    }
    /* Not stored if an invalidation has told of something newer. */
    coherd_load_version(load, (uint64_t)found.version);
    if (request->wanted->id == 0) {
        const coherd_target list = tag_of(request->wanted->show, tag);
        err = coherd_load_tag(load, list.data, list.len);
    }
    if (err == COHERD_OK && found.json != NULL) {
        err = coherd_load_value(load, found.json, found.len);
    }
    free(found.json);
    return err == COHERD_OK ? 0 : ENOMEM;
}

int pages_get(struct pages *pages, const struct wanted *wanted,
              struct page *page)
{
    struct request request = {.pages = pages, .wanted = wanted};
    coherd_value *value = NULL;
    char key[KEY_BYTES];
    const size_t key_len = wanted_key(wanted, key);

    /* Asked before: what is read after is at least as fresh. */
    const uint64_t staleness_ms = coherd_staleness(pages->client);
    const coherd_err err = coherd_cache_get_or_load(pages->cache, key, key_len,
                                                    load, &request, &value);
    const int failure = errno; /* the loader's, with COHERD_ERR_LOADER */

    *page = (struct page){.staleness_ms = staleness_ms, .from = PAGE_HIT};
    if (request.read) {
        page->from = request.failed ? PAGE_STALE : PAGE_MISS;
    }
    switch (err) {
    case COHERD_OK:
        page->json = value->data;
        page->len = value->len;
        page->version = (int64_t)value->version;
        page->held = value;
        return 0;
    case COHERD_ERR_NOT_FOUND:
        return ENOENT;
    case COHERD_ERR_LOADER:
        return failure;
    default:
        fprintf(stderr, "episodes: get: %s\n", coherd_strerror(err));
        return EIO;
    }
}

void page_release(void *held)
{
    coherd_value *value = held;
    coherd_value_release(&value);
}

/* --- writing -------------------------------------------------------------- */

enum told pages_changed(struct pages *pages, const struct change *change)
{
    const struct wanted page = {.id = change->id};
    const coherd_publish_options how = {
        .version = (uint64_t)change->version,
        .wait = COHERD_WAIT_ACCEPTED,
        .timeout_ms = RECEIPT_MS,
    };
    char key[KEY_BYTES], shown[TAG_BYTES], all[TAG_BYTES], before[TAG_BYTES];
    coherd_target changed[4];
    size_t count = 0;

    changed[count++] = coherd_key_n(key, wanted_key(&page, key));
    changed[count++] = tag_of(change->show, shown);
    changed[count++] = tag_of("", all);
    if (change->show_before[0] != '\0' &&
        strcmp(change->show_before, change->show) != 0) {
        changed[count++] = tag_of(change->show_before, before);
    }
    const coherd_err err =
        coherd_cache_invalidate(pages->cache, changed, count, &how, NULL);
    switch (err) {
    case COHERD_OK:
        return TOLD;
    case COHERD_ERR_TIMEOUT:
        return TOLD_LATER;
    default:
        fprintf(stderr, "episodes: change: %s\n", coherd_strerror(err));
        return TOLD_NOTHING;
    }
}

size_t pages_count(struct pages *pages, char *json, size_t size)
{
    coherd_cache_stats stats;

    coherd_cache_read_stats(pages->cache, &stats);
    const unsigned long long refused =
        stats.refused + stats.old + stats.unheard;
    const int len = snprintf(
        json, size,
        "{\"cache\":\"coherent\",\"connected\":%s,\"hits\":%llu,"
        "\"misses\":%llu,\"loads\":%llu,\"stored\":%llu,\"refused\":%llu,"
        "\"keys\":%llu,\"tags\":%llu,\"resets\":%llu,\"entries\":%llu}",
        coherd_is_connected(pages->client) ? "true" : "false",
        (unsigned long long)stats.hits, (unsigned long long)stats.misses,
        (unsigned long long)stats.loads, (unsigned long long)stats.stored,
        refused, (unsigned long long)stats.keys, (unsigned long long)stats.tags,
        (unsigned long long)stats.resets, (unsigned long long)stats.entries);
    return (size_t)len;
}
