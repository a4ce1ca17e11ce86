/* dump.h - one line of text for a message, for traces and debug logs.
 *
 * Text is printed as it is when it is printable ASCII, else as hex behind
 * "0x"; nothing at all as "-".  Node ids, digests and the like are hex of 16
 * digits, or of 8 when that is enough.  The line is cut at cap - 1 bytes and
 * always ends with NUL; cap must not be 0.  A message that cannot be read
 * prints as "malformed ETYPE (12 bytes)".
 */
#ifndef CHD_PROTO_WIRE_DUMP_H
#define CHD_PROTO_WIRE_DUMP_H

#include "proto/base/bytes.h"

/* A line of this size holds any message but those with long lists. */
#define CHD_DUMP_BYTES 512

/* Describe a mesh message: "EVENTS from 00c0ffee origin 00c0ffee 1..3 (3)". */
void chd_dump_mesh(chd_bytes message, char *line, size_t cap);

/* Describe a message of the local protocol. */
void chd_dump_local(chd_bytes message, char *line, size_t cap);

/* Describe one record: "7 INVALIDATE episodes KEY 51". */
void chd_dump_record(chd_bytes record, char *line, size_t cap);

#endif
