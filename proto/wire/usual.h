/* usual.h - a quick way to read and to write what nearly every event is.
 *
 * That is an invalidation of a key in the shortest encoding, with a publisher
 * who is known, and without a demand.  What is anything else, or bad, is left
 * to the functions of event.h, which try this first: it takes a fifth of their
 * time.
 */
#ifndef CHD_PROTO_WIRE_USUAL_H
#define CHD_PROTO_WIRE_USUAL_H

#include "proto/wire/event.h"

/* Read a record, or an item, if it is the usual one; else return false: then
 * the scan has not moved, and *event is unspecified. */
bool chd_usual_record(chd_scan *scan, chd_event *event);
bool chd_usual_item(chd_scan *scan, chd_event *item);

/* Write one, if it is usual and there is room for any that is; else return
 * false: then nothing is written.  Place makes topic, target and value those
 * of the record. */
bool chd_usual_place(chd_pack *pack, chd_event *event);
bool chd_usual_pack_item(chd_pack *pack, const chd_event *item);

#endif
