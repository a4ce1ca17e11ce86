/* routes.c - what each address answers, and what requests are checked for. */
#include "routes.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "answer.h"
#include "body.h"

#define COUNTS_BYTES 512

typedef enum MHD_Result result;
typedef struct MHD_Connection connection;

static const char bad_list[] = "A list takes show and after, each once.";

static result refuse(connection *from, unsigned status, const char *why)
{
    return answer_fault(from, status, why, NULL);
}

static const char *header(connection *from, const char *name)
{
    return MHD_lookup_connection_value(from, MHD_HEADER_KIND, name);
}

/* --- GET ------------------------------------------------------------------ */

static result get_page(const struct service *service, connection *from,
                       const struct wanted *wanted)
{
    struct page page;
    const int status = pages_get(service->pages, wanted, &page);

    return answer_page(from, status, &page);
}

struct list_query {
    struct wanted wanted;
    bool has_show, has_after, bad;
};

static result read_argument(void *arg, enum MHD_ValueKind kind,
                            const char *name, const char *text)
{
    struct list_query *query = arg;
    struct wanted *wanted = &query->wanted;

    (void)kind;
    if (text != NULL && strcmp(name, "show") == 0 && !query->has_show &&
        show_is_good(text, strlen(text))) {
        memcpy(wanted->show, text, strlen(text) + 1);
        query->has_show = true;
    } else if (text != NULL && strcmp(name, "after") == 0 &&
               !query->has_after && episode_id_read(text, &wanted->after)) {
        query->has_after = true;
    } else {
        query->bad = true;
    }
    return MHD_YES;
}

static result get_list(const struct service *service, connection *from)
{
    struct list_query query = {.bad = false};

    (void)MHD_get_connection_values(from, MHD_GET_ARGUMENT_KIND, read_argument,
                                    &query);
    return query.bad ? refuse(from, MHD_HTTP_BAD_REQUEST, bad_list)
                     : get_page(service, from, &query.wanted);
}

static result get_stats(const struct service *service, connection *from)
{
    char json[COUNTS_BYTES];

    pages_count(service->pages, json, sizeof(json));
    return answer_json(from, json);
}

static result get_health(const struct service *service, connection *from)
{
    const struct wanted any = {.id = 1};
    struct document found = {.json = NULL};

    /* Without a sidecar the service is slower, but not wrong. */
    if (store_read(service->source, &any, &found) != 0) {
        return refuse(from, MHD_HTTP_SERVICE_UNAVAILABLE,
                      "The database cannot be read.");
    }
    free(found.json);
    return answer_json(from, "{\"ok\":true}");
}

/* --- PUT ------------------------------------------------------------------ */

static bool is_json(connection *from)
{
    const char *type = header(from, MHD_HTTP_HEADER_CONTENT_TYPE);
    static const char json[] = "application/json";

    return type != NULL && strncasecmp(type, json, strlen(json)) == 0 &&
           strchr(";", type[strlen(json)]) != NULL; /* or the end */
}

static result put_episode(const struct service *service, connection *from,
                          int64_t id, const struct upload *body)
{
    struct episode fresh = {.id = id};
    struct change change;

    if (!is_json(from)) {
        return refuse(from, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                      "The body must be application/json.");
    }
    const char *fault = body_read(body->text, body->len, &fresh);
    if (fault != NULL) {
        return refuse(from, MHD_HTTP_BAD_REQUEST, fault);
    }
    if (store_write(service->source, &fresh, &change) != 0) {
        return refuse(from, MHD_HTTP_SERVICE_UNAVAILABLE,
                      "The database cannot be written: send it again.");
    }
    /* It is committed; from here on nobody may keep the old page. */
    return answer_change(from, &change, pages_changed(service->pages, &change));
}

/* --- routes --------------------------------------------------------------- */

unsigned upload_refused(connection *from, const char **why)
{
    const char *length = header(from, MHD_HTTP_HEADER_CONTENT_LENGTH);

    if (header(from, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL) {
        *why = "Say how long the body is.";
        return MHD_HTTP_LENGTH_REQUIRED;
    }
    if (length != NULL && strtoull(length, NULL, 10) > BODY_BYTES_MAX) {
        *why = "A body has at most 16384 bytes.";
        return MHD_HTTP_CONTENT_TOO_LARGE;
    }
    return 0;
}

static result route_episode(const struct service *service, connection *from,
                            const char *number, const struct upload *body)
{
    struct wanted wanted = {.id = 0};

    if (!episode_id_read(number, &wanted.id)) {
        return refuse(from, MHD_HTTP_BAD_REQUEST,
                      "An id is a number from 1 to 999999999.");
    }
    return body != NULL ? put_episode(service, from, wanted.id, body)
                        : get_page(service, from, &wanted);
}

result route(const struct service *service, connection *from,
             const char *method, const char *url, const struct upload *body)
{
    static const char episode[] = "/episodes/";
    static const struct {
        const char *url;
        result (*get)(const struct service *service, connection *from);
    } gets[] = {{"/episodes", get_list},
                {"/stats", get_stats},
                {"/healthz", get_health}};
    const bool is_put = strcmp(method, MHD_HTTP_METHOD_PUT) == 0;
    const bool is_get = strcmp(method, MHD_HTTP_METHOD_GET) == 0 ||
                        strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;

    if (strncmp(url, episode, strlen(episode)) == 0) {
        return is_put || is_get
                   ? route_episode(service, from, url + strlen(episode),
                                   is_put ? body : NULL)
                   : answer_fault(from, MHD_HTTP_METHOD_NOT_ALLOWED,
                                  "An episode can be read and written.",
                                  "GET, HEAD, PUT");
    }
    for (size_t i = 0; i < sizeof(gets) / sizeof(gets[0]); i++) {
        if (strcmp(url, gets[i].url) == 0) {
            return is_get ? gets[i].get(service, from)
                          : answer_fault(from, MHD_HTTP_METHOD_NOT_ALLOWED,
                                         "This can only be read.", "GET, HEAD");
        }
    }
    return refuse(from, MHD_HTTP_NOT_FOUND,
                  "Try /episodes, /episodes/51, /stats or /healthz.");
}
