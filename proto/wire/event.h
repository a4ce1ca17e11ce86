/* event.h - an event and its one encoded form, the record.
 *
 * A record is what travels on the mesh, lies in the log and reaches sessions:
 * encoded once by the origin's sidecar, checked once at each node it enters,
 * and copied as it is everywhere else.  PROTOCOL 2.
 *
 *   record = [seq, kind, flags, hlc, topic, target_kind, target, value,
 *             client, number, version, again_ms, ...]
 *
 * topic is a str, target and value are bin, the others unsigned integers.
 * client and number are left out when they are 0 and nothing follows, version
 * and again_ms when both are 0; what is not there is 0.  Fields after the
 * twelfth are skipped.  A kind or target kind of a newer release widens to an
 * invalidation of the whole topic; target and value may then be of any type.
 * Unless the kind was INVALIDATE, that loses CHD_FLAG_SOFT too.
 *
 * Owns:   decoded events borrow from the bytes they were read from.
 */
#ifndef CHD_PROTO_WIRE_EVENT_H
#define CHD_PROTO_WIRE_EVENT_H

#include "proto/base/limits.h"
#include "proto/wire/pack.h"
#include "proto/wire/scan.h"
#include "proto/wire/topic.h"

typedef enum chd_kind {
    CHD_KIND_INVALIDATE = 0,
    CHD_KIND_UPDATE = 1,  /* target is a key, value its new value */
    CHD_KIND_MESSAGE = 2, /* no target */
} chd_kind;

typedef enum chd_target_kind {
    CHD_TARGET_NONE = 0, /* messages only */
    CHD_TARGET_KEY = 1,
    CHD_TARGET_TAG = 2,
    CHD_TARGET_PREFIX = 3,
    CHD_TARGET_ALL = 4,
} chd_target_kind;

#define CHD_FLAG_SOFT 1u /* mark stale instead of dropping */

typedef struct chd_event {
    uint64_t seq; /* among its origin's events, 1..CHD_SEQ_MAX  */
    uint64_t hlc; /* hybrid logical clock, see hlc.h            */
    chd_kind kind;
    chd_target_kind target_kind;
    uint32_t flags; /* CHD_FLAG_*; unknown bits are kept and ignored */
    chd_bytes topic;
    chd_bytes target; /* 1..CHD_TARGET_BYTES_MAX; empty for NONE and ALL;
                         a prefix may be empty                       */
    chd_bytes value;  /* up to CHD_PAYLOAD_BYTES_MAX; empty for invalidations */
    uint64_t client;  /* who published it, and its number among all that this */
    uint64_t number;  /* client ever published: the same when it is published
                         again at another sidecar; 0: not told              */
    uint64_t version; /* what a fill must show at least; 0: nothing           */
    uint64_t again_ms; /* apply it again so much later; 0: do not             */
} chd_event;

/* Check what a publisher asks for: topic, target and value fit the kind.
 * seq, hlc, client and number are not looked at.  payload_max bounds the value.
 *
 * Errors: CHD_ETOPIC, CHD_ELENGTH (target or value), CHD_ERANGE (kind and
 *         target do not belong together).
 */
chd_err chd_event_check(const chd_event *event, size_t payload_max)
    CHD_MUST_USE;

/* Append the record of event. */
void chd_event_pack(chd_pack *pack, const chd_event *event);

/* The same, after which topic, target and value of event are those of the
 * record. */
void chd_event_place(chd_pack *pack, chd_event *event);

/* Read one record, widen what is unknown, and check it.  On error the scan
 * has it, and *event is unspecified.
 *
 * Sets:   the errors of chd_scan and of chd_event_check.
 */
void chd_event_scan(chd_scan *scan, chd_event *event);

/* The same for the item of a PUBLISH, a record without seq, hlc, client and
 * number, which are left out when writing and are 0 after reading:
 *
 *   item = [kind, flags, topic, target_kind, target, value, version,
 *           again_ms, ...] */
void chd_item_pack(chd_pack *pack, const chd_event *item);
void chd_item_scan(chd_scan *scan, chd_event *item);

#endif
