#include "proto/wire/dump.h"
#include "proto/wire/line.h"
#include "proto/wire/local.h"

static const char *local_type_name(chd_local_type type)
{
    switch (type) {
    case CHD_LOCAL_HELLO:
        return "HELLO";
    case CHD_LOCAL_SUBSCRIBE:
        return "SUBSCRIBE";
    case CHD_LOCAL_UNSUBSCRIBE:
        return "UNSUBSCRIBE";
    case CHD_LOCAL_PUBLISH:
        return "PUBLISH";
    case CHD_LOCAL_APPLIED:
        return "APPLIED";
    case CHD_LOCAL_PING:
        return "PING";
    case CHD_LOCAL_STATUS:
        return "STATUS";
    case CHD_LOCAL_BYE:
        return "BYE";
    case CHD_LOCAL_WELCOME:
        return "WELCOME";
    case CHD_LOCAL_RECEIPT:
        return "RECEIPT";
    case CHD_LOCAL_EVENTS:
        return "EVENTS";
    case CHD_LOCAL_RESET:
        return "RESET";
    case CHD_LOCAL_PONG:
        return "PONG";
    case CHD_LOCAL_REPORT:
        return "REPORT";
    case CHD_LOCAL_ERROR:
        return "ERROR";
    case CHD_LOCAL_GOODBYE:
        return "GOODBYE";
    case CHD_LOCAL_RESUME:
        return "RESUME";
    case CHD_LOCAL_REPLICATED:
        return "REPLICATED";
    case CHD_LOCAL_CONFIRM:
        return "CONFIRM";
    case CHD_LOCAL_WHO:
        return "WHO";
    case CHD_LOCAL_AWAIT:
        return "AWAIT";
    case CHD_LOCAL_CONFIRMED:
        return "CONFIRMED";
    case CHD_LOCAL_AWAITED:
        return "AWAITED";
    case CHD_LOCAL_PROMPT:
        return "PROMPT";
    case CHD_LOCAL_FRESH:
        return "FRESH";
    }
    return NULL;
}

/* Topics, those that are prefixes with a star behind them. */
static void put_filters(writer *out, chd_local_list filters)
{
    chd_filter filter;

    put_count(out, filters.count);
    while (chd_local_filter_next(&filters, &filter)) {
        put(out, " ");
        if (filter.topic.len > 0) {
            put_bytes(out, filter.topic);
        }
        if (filter.match == CHD_MATCH_PREFIX) {
            put(out, "*");
        }
    }
}

static void put_items(writer *out, chd_local_list items)
{
    chd_event item;

    put_count(out, items.count);
    for (const char *before = " "; chd_local_item_next(&items, &item);
         before = "; ") {
        put(out, before);
        chd_put_event(out, &item);
    }
}

static void put_welcome(writer *out, const chd_local_welcome *welcome)
{
    put_label_dec(out, " version ", welcome->version);
    put_label_id(out, " node ", welcome->node);
    put_label_bytes(out, " name ", welcome->node_name);
    put_label_bytes(out, " region ", welcome->region);
    put_label_bytes(out, " cluster ", welcome->cluster);
    put_label_dec(out, " session ", welcome->session);
    put_label_dec(out, " window ", welcome->window_bytes);
    put_label_dec(out, " payload ", welcome->payload_max);
    put_label_dec(out, " ping ", welcome->ping_interval_ms);
    put_label_bool(out, " resumed ", welcome->resumed);
    put_label_dec(out, " features ", welcome->features);
}

static void put_member(writer *out, const chd_member_report *member)
{
    put_label_id(out, "; node ", member->node);
    put_label_bytes(out, " name ", member->name);
    put_label_bytes(out, " region ", member->region);
    put_label_bytes(out, " release ", member->release);
    chd_put_endpoint(out, &member->endpoint);
    put_label_dec(out, " state ", member->state);
    put_label_bool(out, " listed ", member->listed);
    put_label_bool(out, " hears_us ", member->hears_us);
    put_label_dec(out, " rtt_us ", member->rtt_us);
    put_label_dec(out, " received ", member->received);
    put_label_dec(out, " silent_ms ", member->silent_ms);
    put_label_dec(out, " age_ms ", member->age_ms);
    put_label_bool(out, " counts ", member->counts);
}

static void put_report(writer *out, const chd_local_report *report)
{
    const chd_node_report *node = &report->node;
    chd_local_list members = report->members;
    chd_member_report member;

    put_label_dec(out, " request ", report->request);
    put_label_id(out, " node ", node->node);
    put_label_bytes(out, " name ", node->name);
    put_label_bytes(out, " region ", node->region);
    put_label_bytes(out, " cluster ", node->cluster);
    put_label_bytes(out, " release ", node->release);
    chd_put_endpoint(out, &node->endpoint);
    put_label_dec(out, " state ", node->state);
    put_label_bool(out, " degraded ", node->degraded);
    put_label_dec(out, " uptime_ms ", node->uptime_ms);
    put_label_dec(out, " head ", node->head);
    put_label_dec(out, " sessions ", node->sessions);
    put_label_dec(out, " subscriptions ", node->subscriptions);
    put_label_dec(out, " published ", node->published);
    put_label_dec(out, " received ", node->received);
    put_label_dec(out, " delivered ", node->delivered);
    put_label_dec(out, " resets ", node->resets);
    put_label_dec(out, " lost ", node->lost);
    put_label_dec(out, " log_bytes ", node->log_bytes);
    put_label_dec(out, " dns_outcome ", node->dns_outcome);
    put_label_dec(out, " dns_age_ms ", node->dns_age_ms);
    put_label_dec(out, " dns_count ", node->dns_count);
    put_label_dec(out, " staleness_ms ", node->staleness_ms);
    put_label_id(out, " held_by ", node->held_by);
    put_count(out, members.count);
    while (chd_local_member_next(&members, &member)) {
        put_member(out, &member);
    }
}

static void put_local_hello(writer *out, const chd_local_hello *hello)
{
    chd_put_versions(out, hello->version_min, hello->version_max);
    put_label_id(out, " client ", hello->client);
    put_label_bytes(out, " name ", hello->name);
    put_label_dec(out, " pid ", hello->pid);
    if (hello->next != 0) {
        put_label_id(out, " node ", hello->node);
        put_label_dec(out, " next ", hello->next);
    }
    put_if_some(out, " bound ", hello->bound_ms);
}

static void put_publish(writer *out, const chd_local_publish *publish)
{
    put_label_dec(out, " request ", publish->request);
    put_label_dec(out, " wait ", publish->wait);
    put_if_some(out, " number ", publish->number);
    put_items(out, publish->items);
}

static void put_applied(writer *out, const chd_local *local)
{
    put_label_dec(out, " position ", local->u.applied.position);
    put_label_dec(out, " bytes ", local->u.applied.bytes);
}

static void put_receipt(writer *out, const chd_local_receipt *receipt)
{
    put_label_dec(out, " request ", receipt->request);
    put_label_id(out, " origin ", receipt->origin);
    put_label_dec(out, " seq ", receipt->seq);
}

static void put_events(writer *out, const chd_local_events *events)
{
    put_label_dec(out, " position ", events->position);
    put_label_id(out, " origin ", events->origin);
    put_if_some(out, " next ", events->next);
    put_count(out, events->records.count);
}

static void put_reset(writer *out, const chd_local_reset *reset)
{
    put_label_dec(out, " position ", reset->position);
    put_label_dec(out, " reason ", reset->reason);
    put_if_some(out, " next ", reset->next);
    put_filters(out, reset->filters);
}

static void put_ping(writer *out, const chd_local *local)
{
    put_label_dec(out, " c0 ", local->u.ping.c0);
    if (local->type == CHD_LOCAL_PONG) {
        put_label_dec(out, " position ", local->u.ping.position);
    }
    put_if_some(out, " next ", local->u.ping.next);
}

static void put_confirmed(writer *out, const chd_local_confirmed *confirmed)
{
    chd_local_list rest = confirmed->missing;
    chd_missing missing;

    put_label_dec(out, " request ", confirmed->request);
    put_label_dec(out, " outcome ", confirmed->outcome);
    put_label_dec(out, " total ", confirmed->total);
    put_label_dec(out, " applied ", confirmed->applied);
    put_label_dec(out, " gone ", confirmed->gone);
    put_label_dec(out, " refusing ", confirmed->refusing);
    while (chd_local_missing_next(&rest, &missing)) {
        put_label_id(out, " missing ", missing.node);
        put_label_bytes(out, " name ", missing.name);
        put_label_bytes(out, " session ", missing.session);
    }
}

static void put_error(writer *out, const chd_local_error_msg *error)
{
    put_label_dec(out, " code ", error->code);
    put_label_bytes(out, " text ", error->text);
}

static void put_fields(writer *out, const chd_local *local, chd_local_type type)
{
    switch (type) {
    case CHD_LOCAL_HELLO:
        put_local_hello(out, &local->u.hello);
        break;
    case CHD_LOCAL_SUBSCRIBE:
    case CHD_LOCAL_UNSUBSCRIBE:
        put_filters(out, local->u.filters);
        break;
    case CHD_LOCAL_PUBLISH:
        put_publish(out, &local->u.publish);
        break;
    case CHD_LOCAL_APPLIED:
        put_applied(out, local);
        break;
    case CHD_LOCAL_PING:
    case CHD_LOCAL_PONG:
        put_ping(out, local);
        break;
    case CHD_LOCAL_RESUME:
        put_label_bool(out, " more ", local->u.resume.more);
        put_filters(out, local->u.resume.filters);
        break;
    case CHD_LOCAL_STATUS:
    case CHD_LOCAL_REPLICATED:
    case CHD_LOCAL_WHO:
    case CHD_LOCAL_AWAITED:
        put_label_dec(out, " request ", local->u.request);
        break;
    case CHD_LOCAL_CONFIRM:
    case CHD_LOCAL_AWAIT:
        put_label_dec(out, " request ", local->u.ask.request);
        put_label_id(out, " origin ", local->u.ask.origin);
        put_label_dec(out, " seq ", local->u.ask.seq);
        break;
    case CHD_LOCAL_CONFIRMED:
        put_confirmed(out, &local->u.confirmed);
        break;
    case CHD_LOCAL_WELCOME:
        put_welcome(out, &local->u.welcome);
        break;
    case CHD_LOCAL_RECEIPT:
        put_receipt(out, &local->u.receipt);
        break;
    case CHD_LOCAL_EVENTS:
        put_events(out, &local->u.events);
        break;
    case CHD_LOCAL_RESET:
        put_reset(out, &local->u.reset);
        break;
    case CHD_LOCAL_REPORT:
        put_report(out, &local->u.report);
        break;
    case CHD_LOCAL_ERROR:
        put_error(out, &local->u.error);
        break;
    case CHD_LOCAL_FRESH:
        put_label_dec(out, " c0 ", local->u.fresh.c0);
        put_label_dec(out, " age ", local->u.fresh.age_ns);
        break;
    case CHD_LOCAL_BYE:
    case CHD_LOCAL_GOODBYE:
    case CHD_LOCAL_PROMPT:
        break;
    }
}

void chd_dump_local(chd_bytes message, char *line, size_t cap)
{
    writer out = line_open(line, cap);
    chd_local local;
    const chd_err err = chd_local_scan(message, &local);

    if (err != CHD_OK) {
        chd_put_malformed(&out, err, message.len);
        return;
    }
    const chd_local_type type =
        local.type <= CHD_LOCAL_TYPE_LAST ? (chd_local_type)local.type : 0;
    chd_put_type(&out, local_type_name(type), local.type);
    put_fields(&out, &local, type);
}
