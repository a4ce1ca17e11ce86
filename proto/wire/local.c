#include "proto/wire/local.h"

/* Reading; local_pack.c writes.
 *
 * Each message type has a function that reads the fields after the type and
 * returns how many it knows; chd_local_scan does what is common to all.
 */

/* --- lists: an element is read alike when checked and when walked --------- */

static void scan_filter(chd_scan *scan, chd_filter *filter)
{
    filter->match = (chd_match)chd_scan_uint(scan, CHD_MATCH_PREFIX);
    filter->topic = chd_scan_str(scan, CHD_TOPIC_BYTES_MAX);
    const chd_err err = chd_filter_check(filter);
    if (err != CHD_OK) {
        chd_scan_fail(scan, err);
    }
}

static void scan_member(chd_scan *scan, chd_member_report *member)
{
    const uint32_t fields = chd_scan_array(scan, UINT32_MAX);

    member->node = chd_scan_uint(scan, UINT64_MAX);
    member->name = chd_scan_str(scan, CHD_NAME_BYTES_MAX);
    member->region = chd_scan_str(scan, CHD_NAME_BYTES_MAX);
    member->release = chd_scan_str(scan, CHD_NAME_BYTES_MAX);
    chd_endpoint_scan(scan, &member->endpoint);
    member->state = chd_scan_uint(scan, UINT64_MAX);
    member->listed = chd_scan_bool(scan);
    member->hears_us = chd_scan_bool(scan);
    member->rtt_us = chd_scan_uint(scan, UINT64_MAX);
    member->received = chd_scan_uint(scan, CHD_SEQ_MAX);
    member->silent_ms = chd_scan_uint(scan, UINT64_MAX);
    member->age_ms = chd_scan_uint(scan, UINT64_MAX);
    member->counts = chd_scan_bool(scan);
    chd_scan_rest(scan, fields, 14);
}

static void scan_missing(chd_scan *scan, chd_missing *missing)
{
    const uint32_t fields = chd_scan_array(scan, UINT32_MAX);

    missing->node = chd_node_scan(scan);
    missing->name = chd_scan_str(scan, CHD_NAME_BYTES_MAX);
    missing->session = chd_scan_str(scan, CHD_NAME_BYTES_MAX);
    chd_scan_rest(scan, fields, 3);
}

static void check_filter(chd_scan *scan)
{
    chd_filter filter;
    scan_filter(scan, &filter);
}

static void check_item(chd_scan *scan)
{
    chd_event item;
    chd_item_scan(scan, &item);
}

static void check_member(chd_scan *scan)
{
    chd_member_report member;
    scan_member(scan, &member);
}

static void check_missing(chd_scan *scan)
{
    chd_missing missing;
    scan_missing(scan, &missing);
}

/* Step over the elements of an array, checking each.  An element takes
 * values places in the array. */
static void scan_list(chd_scan *scan, uint32_t count_max, uint32_t values,
                      void (*check)(chd_scan *scan), chd_local_list *list)
{
    const uint32_t places = chd_scan_array(scan, count_max * values);
    const uint8_t *start = scan->at;

    if (places % values != 0) {
        chd_scan_fail(scan, CHD_ELENGTH);
    }
    list->count = places / values;
    for (uint32_t i = 0; i < list->count && scan->err == CHD_OK; i++) {
        check(scan);
    }
    list->encoded = chd_scan_since(scan, start);
}

/* A number at the end that an older release does not write.  known fields come
 * before it, besides the type; returns how many were read. */
static uint32_t scan_number(chd_scan *scan, uint32_t fields, uint32_t known,
                            uint64_t *number)
{
    *number = 0;
    if (fields < 1 + known + 1) {
        return known;
    }
    *number = chd_scan_uint(scan, CHD_SEQ_MAX);
    return known + 1;
}

/* --- messages from the application ---------------------------------------- */

static uint32_t scan_hello(chd_scan *scan, uint32_t fields,
                           chd_local_hello *hello)
{
    hello->version_min = chd_scan_uint(scan, UINT64_MAX);
    hello->version_max = chd_scan_uint(scan, UINT64_MAX);
    if (hello->version_min > hello->version_max) {
        chd_scan_fail(scan, CHD_ERANGE);
    }
    hello->client = chd_scan_uint(scan, UINT64_MAX);
    hello->name = chd_scan_str(scan, CHD_NAME_BYTES_MAX);
    hello->pid = chd_scan_uint(scan, UINT64_MAX);
    hello->node = hello->next = hello->bound_ms = 0;
    if (fields < 8) {
        return 5;
    }
    hello->node = chd_scan_uint(scan, UINT64_MAX);
    hello->next = chd_scan_uint(scan, CHD_SEQ_MAX);
    return scan_number(scan, fields, 7, &hello->bound_ms);
}

static uint32_t scan_subscribe(chd_scan *scan, chd_local_list *filters)
{
    scan_list(scan, CHD_SESSION_SUBSCRIPTIONS_MAX, 2, check_filter, filters);
    return 1;
}

static uint32_t scan_publish(chd_scan *scan, uint32_t fields,
                             chd_local_publish *publish)
{
    publish->request = chd_scan_uint(scan, UINT64_MAX);
    publish->wait = chd_scan_uint(scan, UINT64_MAX);
    scan_list(scan, CHD_PUBLISH_ITEMS_MAX, 1, check_item, &publish->items);
    return scan_number(scan, fields, 3, &publish->number);
}

static uint32_t scan_applied(chd_scan *scan, chd_local *local)
{
    local->u.applied.position = chd_scan_uint(scan, CHD_SEQ_MAX);
    local->u.applied.bytes = chd_scan_uint(scan, UINT64_MAX);
    return 2;
}

static uint32_t scan_ping(chd_scan *scan, chd_local *local)
{
    local->u.ping.c0 = chd_scan_uint(scan, UINT64_MAX);
    local->u.ping.position = 0;
    local->u.ping.next = 0;
    return 1;
}

static uint32_t scan_resume(chd_scan *scan, chd_local_resume *resume)
{
    scan_list(scan, CHD_SESSION_SUBSCRIPTIONS_MAX, 2, check_filter,
              &resume->filters);
    resume->more = chd_scan_bool(scan);
    return 2;
}

static uint32_t scan_request(chd_scan *scan, chd_local *local)
{
    local->u.request = chd_scan_uint(scan, UINT64_MAX);
    return 1;
}

static uint32_t scan_ask(chd_scan *scan, chd_local_ask *ask)
{
    ask->request = chd_scan_uint(scan, UINT64_MAX);
    ask->origin = chd_node_scan(scan);
    ask->seq = chd_scan_uint(scan, CHD_SEQ_MAX);
    if (ask->seq == 0) {
        chd_scan_fail(scan, CHD_ERANGE);
    }
    return 3;
}

/* --- messages from the sidecar -------------------------------------------- */

static uint32_t scan_confirmed(chd_scan *scan, chd_local_confirmed *confirmed)
{
    confirmed->request = chd_scan_uint(scan, UINT64_MAX);
    confirmed->outcome = chd_scan_uint(scan, UINT64_MAX);
    confirmed->total = chd_scan_uint(scan, UINT64_MAX);
    confirmed->applied = chd_scan_uint(scan, UINT64_MAX);
    confirmed->gone = chd_scan_uint(scan, UINT64_MAX);
    confirmed->refusing = chd_scan_uint(scan, UINT64_MAX);
    scan_list(scan, CHD_MISSING_MAX, 1, check_missing, &confirmed->missing);
    return 7;
}

static uint32_t scan_welcome(chd_scan *scan, uint32_t fields,
                             chd_local_welcome *welcome)
{
    welcome->version = chd_scan_uint(scan, UINT64_MAX);
    welcome->node = chd_node_scan(scan);
    welcome->node_name = chd_scan_str(scan, CHD_NAME_BYTES_MAX);
    welcome->region = chd_scan_str(scan, CHD_NAME_BYTES_MAX);
    welcome->cluster = chd_scan_str(scan, CHD_NAME_BYTES_MAX);
    welcome->session = chd_scan_uint(scan, UINT64_MAX);
    welcome->window_bytes = chd_scan_uint(scan, UINT64_MAX);
    welcome->payload_max = chd_scan_uint(scan, UINT64_MAX);
    welcome->ping_interval_ms = chd_scan_uint(scan, UINT64_MAX);
    welcome->resumed = false;
    welcome->features = 0;
    if (fields < 12) {
        return 9;
    }
    welcome->resumed = chd_scan_bool(scan);
    welcome->features = chd_scan_uint(scan, UINT64_MAX);
    return 11;
}

static uint32_t scan_receipt(chd_scan *scan, chd_local_receipt *receipt)
{
    receipt->request = chd_scan_uint(scan, UINT64_MAX);
    receipt->origin = chd_node_scan(scan);
    receipt->seq = chd_scan_uint(scan, CHD_SEQ_MAX);
    return 3;
}

static void scan_records(chd_scan *scan, chd_local_events *events)
{
    const uint32_t count = chd_scan_array(scan, UINT32_MAX);
    const uint8_t *start = scan->at;

    events->hlc = 0;
    events->demands = false;
    for (uint32_t i = 0; i < count && scan->err == CHD_OK; i++) {
        chd_event event;
        chd_event_scan(scan, &event);
        if (scan->err == CHD_OK && event.kind != CHD_KIND_MESSAGE) {
            events->hlc = chd_max_u64(events->hlc, event.hlc);
            events->demands |= event.version > 0 || event.again_ms > 0;
        }
    }
    events->records = (chd_local_list){count, chd_scan_since(scan, start)};
}

static uint32_t scan_events(chd_scan *scan, uint32_t fields,
                            chd_local_events *events)
{
    events->position = chd_scan_uint(scan, CHD_SEQ_MAX);
    events->origin = chd_node_scan(scan);
    scan_records(scan, events);
    return scan_number(scan, fields, 3, &events->next);
}

static uint32_t scan_reset(chd_scan *scan, uint32_t fields,
                           chd_local_reset *reset)
{
    reset->position = chd_scan_uint(scan, CHD_SEQ_MAX);
    reset->reason = chd_scan_uint(scan, UINT64_MAX);
    scan_list(scan, CHD_RESET_TOPICS_MAX, 2, check_filter, &reset->filters);
    return scan_number(scan, fields, 3, &reset->next);
}

static uint32_t scan_pong(chd_scan *scan, uint32_t fields, chd_local *local)
{
    local->u.ping.c0 = chd_scan_uint(scan, UINT64_MAX);
    local->u.ping.position = chd_scan_uint(scan, CHD_SEQ_MAX);
    return scan_number(scan, fields, 2, &local->u.ping.next);
}

static void scan_node(chd_scan *scan, chd_node_report *node)
{
    const uint32_t fields = chd_scan_array(scan, UINT32_MAX);

    node->node = chd_node_scan(scan);
    node->name = chd_scan_str(scan, CHD_NAME_BYTES_MAX);
    node->region = chd_scan_str(scan, CHD_NAME_BYTES_MAX);
    node->cluster = chd_scan_str(scan, CHD_NAME_BYTES_MAX);
    node->release = chd_scan_str(scan, CHD_NAME_BYTES_MAX);
    chd_endpoint_scan(scan, &node->endpoint);
    node->state = chd_scan_uint(scan, UINT64_MAX);
    node->degraded = chd_scan_bool(scan);
    node->uptime_ms = chd_scan_uint(scan, UINT64_MAX);
    node->head = chd_scan_uint(scan, CHD_SEQ_MAX);
    node->sessions = chd_scan_uint(scan, UINT64_MAX);
    node->subscriptions = chd_scan_uint(scan, UINT64_MAX);
    node->published = chd_scan_uint(scan, UINT64_MAX);
    node->received = chd_scan_uint(scan, UINT64_MAX);
    node->delivered = chd_scan_uint(scan, UINT64_MAX);
    node->resets = chd_scan_uint(scan, UINT64_MAX);
    node->lost = chd_scan_uint(scan, UINT64_MAX);
    node->log_bytes = chd_scan_uint(scan, UINT64_MAX);
    node->dns_outcome = chd_scan_uint(scan, UINT64_MAX);
    node->dns_age_ms = chd_scan_uint(scan, UINT64_MAX);
    node->dns_count = chd_scan_uint(scan, UINT64_MAX);
    node->staleness_ms = chd_scan_uint(scan, UINT64_MAX);
    node->held_by = chd_scan_uint(scan, UINT64_MAX);
    chd_scan_rest(scan, fields, 24);
}

static uint32_t scan_report(chd_scan *scan, chd_local_report *report)
{
    report->request = chd_scan_uint(scan, UINT64_MAX);
    scan_node(scan, &report->node);
    scan_list(scan, UINT32_MAX, 1, check_member, &report->members);
    return 3;
}

static uint32_t scan_fresh(chd_scan *scan, chd_local *local)
{
    local->u.fresh.c0 = chd_scan_uint(scan, UINT64_MAX);
    local->u.fresh.age_ns = chd_scan_uint(scan, UINT64_MAX);
    return 2;
}

static uint32_t scan_error(chd_scan *scan, chd_local_error_msg *error)
{
    error->code = chd_scan_uint(scan, UINT64_MAX);
    error->text = chd_scan_str(scan, CHD_TEXT_BYTES_MAX);
    return 2;
}

/* --- any message ---------------------------------------------------------- */

static uint32_t scan_fields(chd_scan *scan, uint32_t fields, chd_local *local)
{
    if (local->type > CHD_LOCAL_TYPE_LAST) {
        return 0; /* the cast below would cut it */
    }
    switch ((chd_local_type)local->type) {
    case CHD_LOCAL_HELLO:
        return scan_hello(scan, fields, &local->u.hello);
    case CHD_LOCAL_SUBSCRIBE:
    case CHD_LOCAL_UNSUBSCRIBE:
        return scan_subscribe(scan, &local->u.filters);
    case CHD_LOCAL_PUBLISH:
        return scan_publish(scan, fields, &local->u.publish);
    case CHD_LOCAL_APPLIED:
        return scan_applied(scan, local);
    case CHD_LOCAL_PING:
        return scan_ping(scan, local);
    case CHD_LOCAL_RESUME:
        return scan_resume(scan, &local->u.resume);
    case CHD_LOCAL_STATUS:
    case CHD_LOCAL_REPLICATED:
    case CHD_LOCAL_WHO:
    case CHD_LOCAL_AWAITED:
        return scan_request(scan, local);
    case CHD_LOCAL_CONFIRM:
    case CHD_LOCAL_AWAIT:
        return scan_ask(scan, &local->u.ask);
    case CHD_LOCAL_CONFIRMED:
        return scan_confirmed(scan, &local->u.confirmed);
    case CHD_LOCAL_WELCOME:
        return scan_welcome(scan, fields, &local->u.welcome);
    case CHD_LOCAL_RECEIPT:
        return scan_receipt(scan, &local->u.receipt);
    case CHD_LOCAL_EVENTS:
        return scan_events(scan, fields, &local->u.events);
    case CHD_LOCAL_RESET:
        return scan_reset(scan, fields, &local->u.reset);
    case CHD_LOCAL_PONG:
        return scan_pong(scan, fields, local);
    case CHD_LOCAL_FRESH:
        return scan_fresh(scan, local);
    case CHD_LOCAL_REPORT:
        return scan_report(scan, &local->u.report);
    case CHD_LOCAL_ERROR:
        return scan_error(scan, &local->u.error);
    case CHD_LOCAL_BYE:
    case CHD_LOCAL_GOODBYE:
    case CHD_LOCAL_PROMPT:
        break;
    }
    return 0;
}

chd_err chd_local_scan(chd_bytes message, chd_local *local)
{
    chd_scan scan;
    chd_local read;

    chd_scan_init(&scan, message);
    const uint32_t fields = chd_scan_array(&scan, UINT32_MAX);
    read.type = chd_scan_uint(&scan, UINT64_MAX);
    const uint32_t known = scan_fields(&scan, fields, &read);
    chd_scan_rest(&scan, fields, 1 + known);

    const chd_err err = chd_scan_end(&scan);
    if (err == CHD_OK) {
        *local = read;
    }
    return err;
}

/* --- walking what was validated ------------------------------------------- */

/* Start reading the next element; false when there is none. */
static bool list_open(const chd_local_list *list, chd_scan *scan)
{
    chd_scan_init(scan, list->encoded);
    return list->count > 0;
}

/* Take what was read off the list.  It was validated, so only a list that
 * never came out of chd_local_scan fails. */
static void list_take(chd_local_list *list, const chd_scan *scan)
{
    CHD_ASSERT(scan->err == CHD_OK);
    list->count--;
    list->encoded = chd_bytes_of(scan->at, chd_scan_left(scan));
}

bool chd_local_filter_next(chd_local_list *list, chd_filter *filter)
{
    chd_scan scan;

    if (!list_open(list, &scan)) {
        return false;
    }
    scan_filter(&scan, filter);
    list_take(list, &scan);
    return true;
}

bool chd_local_item_next(chd_local_list *list, chd_event *item)
{
    chd_scan scan;

    if (!list_open(list, &scan)) {
        return false;
    }
    chd_item_scan(&scan, item);
    list_take(list, &scan);
    return true;
}

bool chd_local_member_next(chd_local_list *list, chd_member_report *member)
{
    chd_scan scan;

    if (!list_open(list, &scan)) {
        return false;
    }
    scan_member(&scan, member);
    list_take(list, &scan);
    return true;
}

bool chd_local_missing_next(chd_local_list *list, chd_missing *missing)
{
    chd_scan scan;

    if (!list_open(list, &scan)) {
        return false;
    }
    scan_missing(&scan, missing);
    list_take(list, &scan);
    return true;
}
