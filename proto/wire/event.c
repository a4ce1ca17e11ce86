#include "proto/wire/event.h"

#include "proto/wire/usual.h"

#define RECORD_FIELDS 8
#define PUBLICATION_FIELDS 2 /* client, number: in most records */
#define KNOWN_FIELDS (RECORD_FIELDS + PUBLICATION_FIELDS)
#define ITEM_FIELDS 6
#define DEMAND_FIELDS 2 /* version, again_ms: both or none */

#define BIT(n) (1u << (n))

/* What goes with each kind, in the order of chd_kind. */
static const struct {
    uint32_t targets; /* bits of chd_target_kind */
    size_t value_max;
} kinds[] = {
    {BIT(CHD_TARGET_KEY) | BIT(CHD_TARGET_TAG) | BIT(CHD_TARGET_PREFIX) |
         BIT(CHD_TARGET_ALL),
     0},
    {BIT(CHD_TARGET_KEY), CHD_PAYLOAD_BYTES_MAX},
    {BIT(CHD_TARGET_NONE), CHD_PAYLOAD_BYTES_MAX},
};

/* How long each target may be, in the order of chd_target_kind. */
static const struct {
    size_t min;
    size_t max;
} targets[] = {
    {0, 0},
    {1, CHD_TARGET_BYTES_MAX},
    {1, CHD_TARGET_BYTES_MAX},
    {0, CHD_TARGET_BYTES_MAX},
    {0, 0},
};

/* Check kind and target kind, which are in their tables, and the lengths. */
static chd_err check_shape(const chd_event *event, size_t payload_max)
{
    const size_t kind = (size_t)event->kind;
    const size_t target_kind = (size_t)event->target_kind;

    if ((kinds[kind].targets & BIT(target_kind)) == 0) {
        return CHD_ERANGE;
    }
    if (event->target.len < targets[target_kind].min ||
        event->target.len > targets[target_kind].max) {
        return CHD_ELENGTH;
    }
    if (event->value.len > chd_min_size(kinds[kind].value_max, payload_max)) {
        return CHD_ELENGTH;
    }
    return CHD_OK;
}

chd_err chd_event_check(const chd_event *event, size_t payload_max)
{
    const chd_err err = chd_topic_check(event->topic);

    if (err != CHD_OK) {
        return err;
    }
    if ((size_t)event->kind >= CHD_COUNT(kinds) ||
        (size_t)event->target_kind >= CHD_COUNT(targets)) {
        return CHD_ERANGE;
    }
    return check_shape(event, payload_max);
}

static uint32_t demand_fields(const chd_event *event)
{
    return event->version != 0 || event->again_ms != 0 ? DEMAND_FIELDS : 0;
}

static void pack_demand(chd_pack *pack, const chd_event *event)
{
    if (demand_fields(event) > 0) {
        chd_pack_uint(pack, event->version);
        chd_pack_uint(pack, event->again_ms);
    }
}

/* Read what follows the known fields: the demand, and what is newer. */
static void scan_demand(chd_scan *scan, chd_event *event, uint32_t fields,
                        uint32_t known)
{
    event->version = 0;
    event->again_ms = 0;
    if (fields > known) {
        event->version = chd_scan_uint(scan, UINT64_MAX);
        known++;
    }
    if (fields > known) {
        event->again_ms = chd_scan_uint(scan, UINT64_MAX);
        known++;
    }
    chd_scan_rest(scan, fields, known);
}

/* The bytes that were packed last. */
static chd_bytes placed(const chd_pack *pack, size_t len)
{
    return pack->overflow ? chd_bytes_of(NULL, 0)
                          : chd_bytes_of(pack->buf + pack->len - len, len);
}

void chd_event_place(chd_pack *pack, chd_event *event)
{
    if (chd_usual_place(pack, event)) {
        return;
    }
    const uint32_t demand = demand_fields(event);
    const bool told = event->number != 0 || demand > 0;
    const uint32_t known = told ? KNOWN_FIELDS : RECORD_FIELDS;

    chd_pack_array(pack, known + demand);
    chd_pack_uint(pack, event->seq);
    chd_pack_uint(pack, (uint64_t)event->kind);
    chd_pack_uint(pack, event->flags);
    chd_pack_uint(pack, event->hlc);
    chd_pack_str(pack, event->topic);
    event->topic = placed(pack, event->topic.len);
    chd_pack_uint(pack, (uint64_t)event->target_kind);
    chd_pack_bin(pack, event->target);
    event->target = placed(pack, event->target.len);
    chd_pack_bin(pack, event->value);
    event->value = placed(pack, event->value.len);
    if (told) {
        chd_pack_uint(pack, event->client);
        chd_pack_uint(pack, event->number);
    }
    pack_demand(pack, event);
}

void chd_event_pack(chd_pack *pack, const chd_event *event)
{
    chd_event copy = *event;
    chd_event_place(pack, &copy);
}

void chd_item_pack(chd_pack *pack, const chd_event *item)
{
    if (chd_usual_pack_item(pack, item)) {
        return;
    }
    chd_pack_array(pack, ITEM_FIELDS + demand_fields(item));
    chd_pack_uint(pack, (uint64_t)item->kind);
    chd_pack_uint(pack, item->flags);
    chd_pack_str(pack, item->topic);
    chd_pack_uint(pack, (uint64_t)item->target_kind);
    chd_pack_bin(pack, item->target);
    chd_pack_bin(pack, item->value);
    pack_demand(pack, item);
}

/* Read topic to value of an event whose kind was read as kind.
 *
 * PROTOCOL 2: what this release does not know must invalidate more than it
 * should, never less.  So the whole topic goes, and goes at once: that a flag
 * of an unknown kind asks only to mark things stale is not for us to say. */
static void scan_body(chd_scan *scan, chd_event *event, uint64_t kind)
{
    event->topic = chd_scan_str(scan, CHD_TOPIC_BYTES_MAX);
    if (event->topic.len == 0) {
        chd_scan_fail(scan, CHD_ETOPIC);
    }
    const uint64_t target_kind = chd_scan_uint(scan, UINT64_MAX);

    if (kind >= CHD_COUNT(kinds) || target_kind >= CHD_COUNT(targets)) {
        chd_scan_skip(scan);
        chd_scan_skip(scan);
        if (kind != CHD_KIND_INVALIDATE) {
            event->flags &= ~CHD_FLAG_SOFT;
        }
        event->kind = CHD_KIND_INVALIDATE;
        event->target_kind = CHD_TARGET_ALL;
        event->target = (chd_bytes){NULL, 0};
        event->value = (chd_bytes){NULL, 0};
        return;
    }

    event->kind = (chd_kind)kind;
    event->target_kind = (chd_target_kind)target_kind;
    event->target = chd_scan_bin(scan, CHD_TARGET_BYTES_MAX);
    event->value = chd_scan_bin(scan, CHD_PAYLOAD_BYTES_MAX);
    const chd_err err = check_shape(event, CHD_PAYLOAD_BYTES_MAX);
    if (err != CHD_OK) {
        chd_scan_fail(scan, err);
    }
}

void chd_event_scan(chd_scan *scan, chd_event *event)
{
    if (chd_usual_record(scan, event)) {
        return;
    }
    const uint32_t fields = chd_scan_array(scan, UINT32_MAX);

    event->seq = chd_scan_uint(scan, CHD_SEQ_MAX);
    if (event->seq == 0) {
        chd_scan_fail(scan, CHD_ERANGE);
    }
    const uint64_t kind = chd_scan_uint(scan, UINT64_MAX);
    event->flags = (uint32_t)chd_scan_uint(scan, UINT32_MAX);
    event->hlc = chd_scan_uint(scan, UINT64_MAX);
    scan_body(scan, event, kind);
    event->client = event->number = 0;
    if (fields > RECORD_FIELDS) {
        event->client = chd_scan_uint(scan, UINT64_MAX);
    }
    if (fields > RECORD_FIELDS + 1) {
        event->number = chd_scan_uint(scan, CHD_SEQ_MAX);
    }
    const uint32_t least = fields < RECORD_FIELDS ? RECORD_FIELDS : fields;
    scan_demand(scan, event, fields,
                least < KNOWN_FIELDS ? least : KNOWN_FIELDS);
}

void chd_item_scan(chd_scan *scan, chd_event *item)
{
    if (chd_usual_item(scan, item)) {
        return;
    }
    const uint32_t fields = chd_scan_array(scan, UINT32_MAX);

    item->seq = 0;
    item->hlc = 0;
    item->client = 0;
    item->number = 0;
    const uint64_t kind = chd_scan_uint(scan, UINT64_MAX);
    item->flags = (uint32_t)chd_scan_uint(scan, UINT32_MAX);
    scan_body(scan, item, kind);
    scan_demand(scan, item, fields, ITEM_FIELDS);
}
