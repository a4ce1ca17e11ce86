#include "proto/wire/line.h"

void chd_put_versions(writer *out, uint64_t min, uint64_t max)
{
    put_label_dec(out, " versions ", min);
    put_label_dec(out, "..", max);
}

static uint16_t group_of(const uint8_t address[16], size_t i)
{
    return (uint16_t)(address[2 * i] << 8 | address[2 * i + 1]);
}

/* Return where the longest run of at least two zero groups begins, and its
 * length in *run; of runs of one length the first.  RFC 5952, 4.2. */
static size_t longest_zeros(const uint8_t address[16], size_t *run)
{
    size_t start = 0;

    *run = 0;
    for (size_t i = 0; i < 8; i++) {
        size_t len = 0;
        while (i + len < 8 && group_of(address, i + len) == 0) {
            len++;
        }
        if (len >= 2 && len > *run) {
            start = i;
            *run = len;
        }
    }
    return start;
}

static void put_ipv6(writer *out, const uint8_t address[16])
{
    size_t run = 0;
    const size_t zeros = longest_zeros(address, &run);

    bool colon = false;

    for (size_t i = 0; i < 8;) {
        if (run > 0 && i == zeros) {
            put(out, "::");
            colon = false;
            i += run;
            continue;
        }
        if (colon) {
            put(out, ":");
        }
        put_number(out, group_of(address, i), 16, 1);
        colon = true;
        i++;
    }
}

void chd_put_endpoint(writer *out, const chd_endpoint *endpoint)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *address = endpoint->address;

    if (memcmp(address, mapped, sizeof(mapped)) == 0) {
        for (size_t i = 12; i < 16; i++) {
            put_label_dec(out, i > 12 ? "." : " at ", address[i]);
        }
    } else {
        put(out, " at [");
        put_ipv6(out, address);
        put(out, "]");
    }
    put_label_dec(out, ":", endpoint->port);
}

void chd_put_malformed(writer *out, chd_err err, size_t bytes)
{
    out->len = 0;
    put(out, "malformed ");
    put(out, chd_err_name(err));
    put_label_dec(out, " (", bytes);
    put(out, " bytes)");
}

/* --- events --------------------------------------------------------------- */

static const char *kind_name(chd_kind kind)
{
    switch (kind) {
    case CHD_KIND_INVALIDATE:
        return "INVALIDATE";
    case CHD_KIND_UPDATE:
        return "UPDATE";
    case CHD_KIND_MESSAGE:
        return "MESSAGE";
    }
    return "?";
}

static const char *target_name(chd_target_kind kind)
{
    switch (kind) {
    case CHD_TARGET_NONE:
        return "NONE";
    case CHD_TARGET_KEY:
        return "KEY";
    case CHD_TARGET_TAG:
        return "TAG";
    case CHD_TARGET_PREFIX:
        return "PREFIX";
    case CHD_TARGET_ALL:
        return "ALL";
    }
    return "?";
}

void chd_put_event(writer *out, const chd_event *event)
{
    put(out, kind_name(event->kind));
    put_label_bytes(out, " ", event->topic);
    if (event->target_kind != CHD_TARGET_NONE) {
        put(out, " ");
        put(out, target_name(event->target_kind));
    }
    if (event->target_kind != CHD_TARGET_NONE &&
        event->target_kind != CHD_TARGET_ALL) {
        put_label_bytes(out, " ", event->target);
    }
    if (event->kind != CHD_KIND_INVALIDATE) {
        put_label_bytes(out, " value ", event->value);
    }
    put_if_some(out, " flags ", event->flags);
    put_if_some(out, " hlc ", event->hlc);
    if (event->number != 0) {
        put_label_id(out, " client ", event->client);
        put_label_dec(out, " number ", event->number);
    }
    if (event->version != 0) {
        put_label_dec(out, " version ", event->version);
    }
    if (event->again_ms != 0) {
        put_label_dec(out, " again_ms ", event->again_ms);
    }
}

void chd_put_type(writer *out, const char *name, uint64_t type)
{
    if (name != NULL) {
        put(out, name);
    } else {
        put_label_dec(out, "TYPE ", type);
    }
}
