/* applied.h - the messages with which nodes find out who has applied an event.
 * PROTOCOL 3.11.  All travel on the control sockets.
 *
 * Owns:   decoded messages borrow from the bytes they were read from.
 */
#ifndef CHD_PROTO_WIRE_APPLIED_H
#define CHD_PROTO_WIRE_APPLIED_H

#include "proto/wire/mesh.h"

/* [origin, seq, who]: tell me when all sessions of yours have applied that
 * event of origin. */
typedef struct chd_mesh_want {
    uint64_t origin;
    uint64_t seq; /* at least 1                                       */
    bool who;     /* answer now, with the sessions that have not      */
} chd_mesh_want;

/* [origin, seq, refusing, [name...]]: they have applied origin's events up to
 * seq, or refuse to serve what they had before it. */
typedef struct chd_mesh_applied {
    uint64_t origin;
    uint64_t seq;           /* 0: not even the first                     */
    uint64_t refusing;      /* sessions that have not, but refuse        */
    uint32_t lacking_count; /* up to CHD_LACKING_MAX; there may be more  */
    chd_bytes lacking;      /* names of sessions that lack what was asked
                               for, encoded; walk with
                               chd_mesh_lacking_next                      */
} chd_mesh_applied;

/* Read a body; see chd_mesh_scan_hello. */
chd_err chd_mesh_scan_want(chd_scan *scan, uint32_t fields, chd_mesh_want *want)
    CHD_MUST_USE;
chd_err chd_mesh_scan_applied(chd_scan *scan, uint32_t fields,
                              chd_mesh_applied *applied) CHD_MUST_USE;

/* Take the next name off a validated span; false at the end. */
bool chd_mesh_lacking_next(chd_bytes *lacking, chd_bytes *name);

/* Write a whole WANT. */
void chd_mesh_pack_want(chd_pack *pack, const chd_mesh_header *header,
                        const chd_mesh_want *want);

/* APPLIED is written piecewise: open it, append names, close it with their
 * count.  What applied says of them is not looked at. */
size_t chd_mesh_applied_open(chd_pack *pack, const chd_mesh_header *header,
                             const chd_mesh_applied *applied);
void chd_mesh_applied_add(chd_pack *pack, chd_bytes name);
void chd_mesh_applied_close(chd_pack *pack, size_t array_at, uint32_t count);

#endif
