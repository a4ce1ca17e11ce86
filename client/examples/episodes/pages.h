/* pages.h - the pages that are served, cached in the memory of this instance.
 *
 * There are two files behind this header, and the program is linked with one
 * of them: coherent.c has the cache of libcoherd, plain.c a hash table with a
 * time to live, as one has it before several instances run.
 *
 * Threads: any.
 */
#ifndef PAGES_H
#define PAGES_H

#include "store.h"

struct pages;

struct pages_options {
    struct store *source;
    const char *socket;       /* of the sidecar; NULL: where it usually is */
    int64_t ttl_ms;           /* how long a page is served                 */
    int64_t max_staleness_ms; /* ... once we may be this far behind        */
};

enum page_from {
    PAGE_HIT,  /* out of the cache, or another request was loading it   */
    PAGE_MISS, /* read for this request                                 */
    PAGE_STALE /* it was to be read anew, but that failed; the page is
                  what was cached                                       */
};

#define STALENESS_UNKNOWN UINT64_MAX

struct page {
    const void *json;
    size_t len;
    int64_t version;
    enum page_from from;
    uint64_t staleness_ms; /* nothing older than so can be missing in it */
    void *held;            /* to be given to page_release                */
};

/* Open the cache.
 *
 * Owns: on true, *pages belongs to the caller: pages_close.
 * Errors: false, and a line on standard error says why. */
bool pages_open(const struct pages_options *options, struct pages **pages);

/* Close it, and first let go out what changes were not yet told. */
void pages_close(struct pages *pages);

/* Get a page.  Returns 0; ENOENT: there is no such episode; or what the
 * source's failure was.  from and staleness_ms are set in each case.
 *
 * Blocking: for the source, if the page is not cached.
 * Owns: on 0, page->held belongs to the caller: page_release. */
int pages_get(struct pages *pages, const struct wanted *wanted,
              struct page *page);

/* Give back what was held. */
void page_release(void *held);

enum told {
    TOLD,          /* the sidecar has it, and will tell all instances       */
    TOLD_LATER,    /* there is no sidecar now; told as soon as there is     */
    TOLD_NOTHING,  /* too much waits to be told already: write again        */
    TOLD_OURSELVES /* plain.c tells nobody                                 */
};

/* Drop the pages that show what was changed: call it after the commit.
 *
 * Blocking: for the sidecar's receipt, a second at most. */
enum told pages_changed(struct pages *pages, const struct change *change);

/* Write what was counted as JSON, and return its length. */
size_t pages_count(struct pages *pages, char *json, size_t size);

#endif
