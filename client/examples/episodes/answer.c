/* answer.c - statuses, headers, and bodies that are not copied. */
#include "answer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TEXT_BYTES 256

typedef enum MHD_Result result;

static void add(struct MHD_Response *answer, const char *name, const char *text)
{
    (void)MHD_add_response_header(answer, name, text);
}

static result queue(struct MHD_Connection *to, unsigned status,
                    struct MHD_Response *answer)
{
    if (answer == NULL) {
        return MHD_NO;
    }
    add(answer, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    const result queued = MHD_queue_response(to, status, answer);
    MHD_destroy_response(answer);
    return queued;
}

static struct MHD_Response *copy(const char *json)
{
    return MHD_create_response_from_buffer(
        strlen(json), (void *)(uintptr_t)json, MHD_RESPMEM_MUST_COPY);
}

/* Make an answer that nobody may keep. */
static struct MHD_Response *passing(const char *json)
{
    struct MHD_Response *answer = copy(json);

    if (answer != NULL) {
        add(answer, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    }
    return answer;
}

result answer_json(struct MHD_Connection *to, const char *json)
{
    return queue(to, MHD_HTTP_OK, passing(json));
}

result answer_fault(struct MHD_Connection *to, unsigned status,
                    const char *text, const char *allow)
{
    char json[TEXT_BYTES];

    snprintf(json, sizeof(json), "{\"error\":\"%s\"}", text);
    struct MHD_Response *answer = passing(json);
    if (answer != NULL && allow != NULL) {
        add(answer, MHD_HTTP_HEADER_ALLOW, allow);
    }
    if (answer != NULL && status == MHD_HTTP_SERVICE_UNAVAILABLE) {
        add(answer, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    }
    return queue(to, status, answer);
}

/* --- pages ---------------------------------------------------------------- */

static const char *from_name(enum page_from from)
{
    switch (from) {
    case PAGE_HIT:
        return "hit";
    case PAGE_MISS:
        return "miss";
    case PAGE_STALE:
        return "stale";
    }
    return "";
}

static void describe(struct MHD_Response *answer, const struct page *page)
{
    char text[TEXT_BYTES] = "unknown";

    if (page->staleness_ms != STALENESS_UNKNOWN) {
        snprintf(text, sizeof(text), "%llu",
                 (unsigned long long)page->staleness_ms);
    }
    add(answer, "X-Staleness-Ms", text);
    add(answer, "X-Cache", from_name(page->from));
    add(answer, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
}

static result answer_found(struct MHD_Connection *to, const struct page *page)
{
    char tag[TEXT_BYTES];

    snprintf(tag, sizeof(tag), "\"%lld\"", (long long)page->version);
    const char *has = MHD_lookup_connection_value(
        to, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);
    const bool same = has != NULL && strcmp(has, tag) == 0;
    /* The value of the cache is what is sent; it is released afterwards. With
     * 304, no more of it than its length is. */
    struct MHD_Response *answer =
        MHD_create_response_from_buffer_with_free_callback_cls(
            page->len, (void *)(uintptr_t)page->json, page_release, page->held);
    if (answer == NULL) {
        page_release(page->held);
        return MHD_NO;
    }
    describe(answer, page);
    add(answer, MHD_HTTP_HEADER_ETAG, tag);
    return queue(to, same ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, answer);
}

/* That there is none is remembered for a while, too. */
static result answer_none(struct MHD_Connection *to, const struct page *page)
{
    struct MHD_Response *answer =
        copy("{\"error\":\"There is no episode of this id.\"}");

    if (answer != NULL) {
        describe(answer, page);
    }
    return queue(to, MHD_HTTP_NOT_FOUND, answer);
}

result answer_page(struct MHD_Connection *to, int status,
                   const struct page *page)
{
    switch (status) {
    case 0:
        return answer_found(to, page);
    case ENOENT:
        return answer_none(to, page);
    default:
        return answer_fault(to, MHD_HTTP_SERVICE_UNAVAILABLE,
                            "The database cannot be read.", NULL);
    }
}

/* --- writes --------------------------------------------------------------- */

result answer_change(struct MHD_Connection *to, const struct change *change,
                     enum told told)
{
    static const char *const names[] = {[TOLD] = "accepted",
                                        [TOLD_LATER] = "queued",
                                        [TOLD_OURSELVES] = "none"};
    char json[TEXT_BYTES];

    if (told == TOLD_NOTHING) {
        /* It may be sent again as often as one likes, and then is told. */
        return answer_fault(to, MHD_HTTP_SERVICE_UNAVAILABLE,
                            "It is written, but the other instances cannot be "
                            "told: send it again.",
                            NULL);
    }
    snprintf(json, sizeof(json), "{\"id\":%lld,\"version\":%lld}",
             (long long)change->id, (long long)change->version);
    struct MHD_Response *answer = passing(json);
    if (answer != NULL) {
        add(answer, "X-Invalidation", names[told]);
    }
    return queue(
        to, change->show_before[0] == '\0' ? MHD_HTTP_CREATED : MHD_HTTP_OK,
        answer);
}
