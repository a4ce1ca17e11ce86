#include "proto/wire/local.h"

/* Write the array header and the type; field_count more values follow. */
static void pack_type(chd_pack *pack, chd_local_type type, uint32_t field_count)
{
    chd_pack_array(pack, 1 + field_count);
    chd_pack_uint(pack, (uint64_t)type);
}

static void pack_filters(chd_pack *pack, const chd_filter *filters,
                         uint32_t count)
{
    chd_pack_array(pack, 2 * count);
    for (uint32_t i = 0; i < count; i++) {
        chd_pack_uint(pack, (uint64_t)filters[i].match);
        chd_pack_str(pack, filters[i].topic);
    }
}

void chd_local_pack_hello(chd_pack *pack, const chd_local_hello *hello)
{
    pack_type(pack, CHD_LOCAL_HELLO, 8);
    chd_pack_uint(pack, hello->version_min);
    chd_pack_uint(pack, hello->version_max);
    chd_pack_uint(pack, hello->client);
    chd_pack_str(pack, hello->name);
    chd_pack_uint(pack, hello->pid);
    chd_pack_uint(pack, hello->node);
    chd_pack_uint(pack, hello->next);
    chd_pack_uint(pack, hello->bound_ms);
}

void chd_local_pack_filters(chd_pack *pack, chd_local_type type,
                            const chd_filter *filters, uint32_t count)
{
    CHD_ASSERT(type == CHD_LOCAL_SUBSCRIBE || type == CHD_LOCAL_UNSUBSCRIBE);
    CHD_ASSERT(count <= CHD_SESSION_SUBSCRIPTIONS_MAX);

    pack_type(pack, type, 1);
    pack_filters(pack, filters, count);
}

void chd_local_pack_resume(chd_pack *pack, const chd_filter *filters,
                           uint32_t count, bool more)
{
    CHD_ASSERT(count <= CHD_SESSION_SUBSCRIPTIONS_MAX);

    pack_type(pack, CHD_LOCAL_RESUME, 2);
    pack_filters(pack, filters, count);
    chd_pack_bool(pack, more);
}

void chd_local_pack_applied(chd_pack *pack, uint64_t position, uint64_t bytes)
{
    pack_type(pack, CHD_LOCAL_APPLIED, 2);
    chd_pack_uint(pack, position);
    chd_pack_uint(pack, bytes);
}

void chd_local_pack_ping(chd_pack *pack, uint64_t c0)
{
    pack_type(pack, CHD_LOCAL_PING, 1);
    chd_pack_uint(pack, c0);
}

void chd_local_pack_status(chd_pack *pack, uint64_t request)
{
    pack_type(pack, CHD_LOCAL_STATUS, 1);
    chd_pack_uint(pack, request);
}

void chd_local_pack_bare(chd_pack *pack, chd_local_type type)
{
    CHD_ASSERT(type == CHD_LOCAL_BYE || type == CHD_LOCAL_GOODBYE ||
               type == CHD_LOCAL_PROMPT);

    pack_type(pack, type, 0);
}

void chd_local_pack_welcome(chd_pack *pack, const chd_local_welcome *welcome)
{
    pack_type(pack, CHD_LOCAL_WELCOME, 11);
    chd_pack_uint(pack, welcome->version);
    chd_pack_uint(pack, welcome->node);
    chd_pack_str(pack, welcome->node_name);
    chd_pack_str(pack, welcome->region);
    chd_pack_str(pack, welcome->cluster);
    chd_pack_uint(pack, welcome->session);
    chd_pack_uint(pack, welcome->window_bytes);
    chd_pack_uint(pack, welcome->payload_max);
    chd_pack_uint(pack, welcome->ping_interval_ms);
    chd_pack_bool(pack, welcome->resumed);
    chd_pack_uint(pack, welcome->features);
}

void chd_local_pack_receipt(chd_pack *pack, const chd_local_receipt *receipt)
{
    pack_type(pack, CHD_LOCAL_RECEIPT, 3);
    chd_pack_uint(pack, receipt->request);
    chd_pack_uint(pack, receipt->origin);
    chd_pack_uint(pack, receipt->seq);
}

void chd_local_pack_replicated(chd_pack *pack, uint64_t request)
{
    pack_type(pack, CHD_LOCAL_REPLICATED, 1);
    chd_pack_uint(pack, request);
}

void chd_local_pack_reset(chd_pack *pack, const chd_local_reset *reset)
{
    CHD_ASSERT(reset->filters.count <= CHD_RESET_TOPICS_MAX);

    pack_type(pack, CHD_LOCAL_RESET, 4);
    chd_pack_uint(pack, reset->position);
    chd_pack_uint(pack, reset->reason);
    chd_pack_array(pack, 2 * reset->filters.count);
    chd_pack_raw(pack, reset->filters.encoded);
    chd_pack_uint(pack, reset->next);
}

void chd_local_pack_pong(chd_pack *pack, uint64_t c0, uint64_t position,
                         uint64_t next)
{
    pack_type(pack, CHD_LOCAL_PONG, 3);
    chd_pack_uint(pack, c0);
    chd_pack_uint(pack, position);
    chd_pack_uint(pack, next);
}

void chd_local_pack_error(chd_pack *pack, chd_local_error code,
                          const char *text)
{
    pack_type(pack, CHD_LOCAL_ERROR, 2);
    chd_pack_uint(pack, (uint64_t)code);
    chd_pack_str(pack, chd_text_cut(chd_bytes_str(text), CHD_TEXT_BYTES_MAX));
}

size_t chd_local_publish_open(chd_pack *pack, uint64_t request, chd_wait wait)
{
    pack_type(pack, CHD_LOCAL_PUBLISH, 4);
    chd_pack_uint(pack, request);
    chd_pack_uint(pack, (uint64_t)wait);
    return chd_pack_array_open(pack);
}

void chd_local_publish_add(chd_pack *pack, const chd_event *item)
{
    chd_item_pack(pack, item);
}

void chd_local_publish_close(chd_pack *pack, size_t array_at, uint32_t count,
                             uint64_t number)
{
    chd_pack_array_close(pack, array_at, count);
    chd_pack_uint(pack, number);
}

size_t chd_local_events_open(chd_pack *pack, uint64_t position, uint64_t origin)
{
    pack_type(pack, CHD_LOCAL_EVENTS, 4);
    chd_pack_uint(pack, position);
    chd_pack_uint(pack, origin);
    return chd_pack_array_open(pack);
}

void chd_local_events_close(chd_pack *pack, size_t array_at, uint32_t count,
                            uint64_t next)
{
    chd_pack_array_close(pack, array_at, count);
    chd_pack_uint(pack, next);
}

size_t chd_local_report_open(chd_pack *pack, uint64_t request,
                             const chd_node_report *node)
{
    pack_type(pack, CHD_LOCAL_REPORT, 3);
    chd_pack_uint(pack, request);
    chd_pack_array(pack, 24);
    chd_pack_uint(pack, node->node);
    chd_pack_str(pack, node->name);
    chd_pack_str(pack, node->region);
    chd_pack_str(pack, node->cluster);
    chd_pack_str(pack, node->release);
    chd_endpoint_pack(pack, &node->endpoint);
    chd_pack_uint(pack, node->state);
    chd_pack_bool(pack, node->degraded);
    chd_pack_uint(pack, node->uptime_ms);
    chd_pack_uint(pack, node->head);
    chd_pack_uint(pack, node->sessions);
    chd_pack_uint(pack, node->subscriptions);
    chd_pack_uint(pack, node->published);
    chd_pack_uint(pack, node->received);
    chd_pack_uint(pack, node->delivered);
    chd_pack_uint(pack, node->resets);
    chd_pack_uint(pack, node->lost);
    chd_pack_uint(pack, node->log_bytes);
    chd_pack_uint(pack, node->dns_outcome);
    chd_pack_uint(pack, node->dns_age_ms);
    chd_pack_uint(pack, node->dns_count);
    chd_pack_uint(pack, node->staleness_ms);
    chd_pack_uint(pack, node->held_by);
    return chd_pack_array_open(pack);
}

void chd_local_report_add(chd_pack *pack, const chd_member_report *member)
{
    chd_pack_array(pack, 14);
    chd_pack_uint(pack, member->node);
    chd_pack_str(pack, member->name);
    chd_pack_str(pack, member->region);
    chd_pack_str(pack, member->release);
    chd_endpoint_pack(pack, &member->endpoint);
    chd_pack_uint(pack, member->state);
    chd_pack_bool(pack, member->listed);
    chd_pack_bool(pack, member->hears_us);
    chd_pack_uint(pack, member->rtt_us);
    chd_pack_uint(pack, member->received);
    chd_pack_uint(pack, member->silent_ms);
    chd_pack_uint(pack, member->age_ms);
    chd_pack_bool(pack, member->counts);
}

void chd_local_report_close(chd_pack *pack, size_t array_at, uint32_t count)
{
    chd_pack_array_close(pack, array_at, count);
}

void chd_local_pack_ask(chd_pack *pack, chd_local_type type,
                        const chd_local_ask *ask)
{
    CHD_ASSERT(type == CHD_LOCAL_CONFIRM || type == CHD_LOCAL_AWAIT);

    pack_type(pack, type, 3);
    chd_pack_uint(pack, ask->request);
    chd_pack_uint(pack, ask->origin);
    chd_pack_uint(pack, ask->seq);
}

void chd_local_pack_request(chd_pack *pack, chd_local_type type,
                            uint64_t request)
{
    CHD_ASSERT(type == CHD_LOCAL_WHO || type == CHD_LOCAL_AWAITED);

    pack_type(pack, type, 1);
    chd_pack_uint(pack, request);
}

size_t chd_local_confirmed_open(chd_pack *pack,
                                const chd_local_confirmed *confirmed)
{
    pack_type(pack, CHD_LOCAL_CONFIRMED, 7);
    chd_pack_uint(pack, confirmed->request);
    chd_pack_uint(pack, confirmed->outcome);
    chd_pack_uint(pack, confirmed->total);
    chd_pack_uint(pack, confirmed->applied);
    chd_pack_uint(pack, confirmed->gone);
    chd_pack_uint(pack, confirmed->refusing);
    return chd_pack_array_open(pack);
}

void chd_local_confirmed_add(chd_pack *pack, const chd_missing *missing)
{
    chd_pack_array(pack, 3);
    chd_pack_uint(pack, missing->node);
    chd_pack_str(pack, missing->name);
    chd_pack_str(pack, missing->session);
}

void chd_local_confirmed_close(chd_pack *pack, size_t array_at, uint32_t count)
{
    chd_pack_array_close(pack, array_at, count);
}

void chd_local_pack_fresh(chd_pack *pack, uint64_t c0, uint64_t age_ns)
{
    pack_type(pack, CHD_LOCAL_FRESH, 2);
    chd_pack_uint(pack, c0);
    chd_pack_uint(pack, age_ns);
}
