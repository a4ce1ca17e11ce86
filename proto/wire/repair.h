/* repair.h - the messages with which nodes fetch from each other what they
 * missed.  PROTOCOL 3.7.  All travel on the control sockets.
 *
 * Owns:   decoded messages borrow from the bytes they were read from.
 */
#ifndef CHD_PROTO_WIRE_REPAIR_H
#define CHD_PROTO_WIRE_REPAIR_H

#include "proto/wire/mesh.h"

/* [origin, first, upto, told]: send me origin's events first..upto. */
typedef struct chd_mesh_fetch {
    uint64_t origin;
    uint64_t first; /* at least 1     */
    uint64_t upto;  /* at least first */
    uint64_t told;  /* of the receiver's last LOST that counted, 0: none */
} chd_mesh_fetch;

/* [origin, first, last, held, told, [record...]]: the answer. */
typedef struct chd_mesh_repair {
    uint64_t origin;
    uint64_t first; /* as asked                                            */
    uint64_t last;  /* the answer ends here; first - 1: nothing to send    */
    uint64_t held;  /* up to where the sender has everything.  When last is
                       held, every event that has no record in the answers
                       so far is superseded by one that has               */
    uint64_t told;  /* when events that it stands for have left the sender's
                       log: that of the LOST which says so; 0: none has    */
    uint32_t record_count;
    chd_bytes records; /* encoded; walk with chd_mesh_record_next          */
} chd_mesh_repair;

/* [origin, first, last, told, [topic...]]: of origin's events first..last some
 * are in the sender's log no more; those that left it since FETCH's told
 * touched these topics, none: any topic. */
typedef struct chd_mesh_lost {
    uint64_t origin;
    uint64_t first;
    uint64_t last;        /* at least first */
    uint64_t told;        /* at least 1, and more each time */
    uint32_t topic_count; /* up to CHD_RESET_TOPICS_MAX */
    chd_bytes topics;     /* encoded; walk with chd_mesh_topic_next        */
} chd_mesh_lost;

/* How fresh the sender is with respect to a node, in nanoseconds. */
typedef struct chd_age {
    uint64_t node;
    uint64_t age_ns;    /* it has all that the node accepted before that */
    uint64_t silent_ns; /* since anybody heard the node                  */
} chd_age;

/* [answer, [origin, seq, ...], t0, [node, age, silent, ...]]: the sender's
 * vector, and the nodes that count for its freshness, without itself. */
typedef struct chd_mesh_vector {
    bool answer; /* send yours, too                              */
    uint32_t position_count;
    chd_bytes positions; /* encoded; walk with chd_mesh_position_next */
    uint64_t t0;         /* clock of whoever asked; returned unchanged */
    uint32_t age_count;  /* up to CHD_COUNTED_MAX */
    chd_bytes ages;      /* encoded; walk with chd_mesh_age_next */
} chd_mesh_vector;

/* Read a body, given the scan after the header and its count of fields, to
 * the last byte.
 *
 * Errors: those of chd_scan and chd_event_scan; CHD_ERANGE, CHD_EORDER when
 *         the numbers contradict each other.
 */
chd_err chd_mesh_scan_fetch(chd_scan *scan, uint32_t fields,
                            chd_mesh_fetch *fetch) CHD_MUST_USE;
chd_err chd_mesh_scan_repair(chd_scan *scan, uint32_t fields,
                             chd_mesh_repair *repair) CHD_MUST_USE;
chd_err chd_mesh_scan_lost(chd_scan *scan, uint32_t fields, chd_mesh_lost *lost)
    CHD_MUST_USE;
chd_err chd_mesh_scan_vector(chd_scan *scan, uint32_t fields,
                             chd_mesh_vector *vector) CHD_MUST_USE;

/* Take the next topic, or age, off a validated span; false at the end. */
bool chd_mesh_topic_next(chd_bytes *topics, chd_bytes *topic);
bool chd_mesh_age_next(chd_bytes *ages, chd_age *age);

/* Write whole messages. */
void chd_mesh_pack_fetch(chd_pack *pack, const chd_mesh_header *header,
                         const chd_mesh_fetch *fetch);

/* VECTOR is written piecewise, too: open, add ages, close.  Of vector, answer,
 * t0 and position_count are taken. */
size_t chd_mesh_vector_open(chd_pack *pack, const chd_mesh_header *header,
                            const chd_mesh_vector *vector,
                            const chd_position *positions);
void chd_mesh_vector_add(chd_pack *pack, const chd_age *age);
void chd_mesh_vector_close(chd_pack *pack, size_t array_at, uint32_t count);

/* REPAIR and LOST are written piecewise: open, append, close. */
typedef struct chd_repair_writer {
    size_t last_at;
    size_t array_at;
} chd_repair_writer;

/* Of repair, origin, first, held and told are taken; append records with
 * chd_pack_raw. */
void chd_mesh_repair_open(chd_pack *pack, const chd_mesh_header *header,
                          const chd_mesh_repair *repair,
                          chd_repair_writer *writer);
void chd_mesh_repair_close(chd_pack *pack, const chd_repair_writer *writer,
                           uint64_t last, uint32_t count);

/* Of lost, origin, first, last and told are taken; append topics with
 * chd_pack_str. */
size_t chd_mesh_lost_open(chd_pack *pack, const chd_mesh_header *header,
                          const chd_mesh_lost *lost);
void chd_mesh_lost_close(chd_pack *pack, size_t array_at, uint32_t count);

#endif
