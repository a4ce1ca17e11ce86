/* usual.h - a quick way to read what nearly every event is.
 *
 * That is an invalidation of a key in the shortest encoding, with a publisher
 * who is known, and without a demand.  What is anything else, or bad, is left
 * to chd_event_scan and chd_item_scan, which try this first: it takes a
 * third of their time.
 */
#ifndef CHD_PROTO_WIRE_USUAL_H
#define CHD_PROTO_WIRE_USUAL_H

#include "proto/wire/event.h"

/* Read a record, or an item, if it is the usual one; else return false: then
 * the scan has not moved, and *event is unspecified. */
bool chd_usual_record(chd_scan *scan, chd_event *event);
bool chd_usual_item(chd_scan *scan, chd_event *item);

#endif
