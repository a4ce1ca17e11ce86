/* mesh.h - the messages between nodes.  PROTOCOL 3.
 *
 * Every message is one array that begins with the same four fields:
 *
 *   [version, type, cluster, sender, ...]
 *
 * Names and texts are str, an address is bin, heard is a boolean, the others
 * are unsigned integers; sequence numbers and heads go up to CHD_SEQ_MAX.
 * Fields after those listed are skipped.  EVENTS, BEACON and BYE travel on
 * PUB/SUB; all but EVENTS and BEACON travel on the control sockets.
 *
 * Owns:   decoded messages borrow from the bytes they were read from.
 */
#ifndef CHD_PROTO_WIRE_MESH_H
#define CHD_PROTO_WIRE_MESH_H

#include "proto/wire/event.h"

typedef enum chd_mesh_type {
    CHD_MESH_EVENTS = 1,  /* [origin, first, last, [record...]]          */
    CHD_MESH_BEACON = 2,  /* [head]                                      */
    CHD_MESH_HELLO = 3,   /* see chd_mesh_hello                          */
    CHD_MESH_WELCOME = 4, /* the answer to HELLO, same fields            */
    CHD_MESH_REFUSE = 5,  /* [reason, version_min, version_max, text]    */
    CHD_MESH_PING = 6,    /* [t0, received, heard, digest, members]      */
    CHD_MESH_PONG = 7,    /* [..., head, accepted]                       */
    CHD_MESH_BYE = 8,     /* [head]                                      */
    CHD_MESH_FETCH = 9,   /* this and the next three: see repair.h       */
    CHD_MESH_REPAIR = 10,
    CHD_MESH_LOST = 11,
    CHD_MESH_VECTOR = 12,
    CHD_MESH_ACK = 13, /* [origin, received]: up to where its events are here */
    CHD_MESH_WANT = 14, /* see applied.h */
    CHD_MESH_APPLIED = 15,
} chd_mesh_type;

/* The highest type that this release knows. */
#define CHD_MESH_TYPE_LAST CHD_MESH_APPLIED

typedef enum chd_refuse_reason {
    CHD_REFUSE_VERSION = 1, /* no common protocol version    */
    CHD_REFUSE_CLUSTER = 2, /* another cluster               */
    CHD_REFUSE_FULL = 3,    /* CHD_PEERS_MAX peers are known */
} chd_refuse_reason;

/* Where a node can be reached: an IPv6 address, or IPv4 mapped into it
 * (::ffff:a.b.c.d), in network byte order, and the port of its PUB socket;
 * control is the next port.  Encoded as two fields: bin of 16 bytes, uint. */
typedef struct chd_endpoint {
    uint8_t address[16];
    uint16_t port;
} chd_endpoint;

typedef struct chd_position {
    uint64_t origin; /* node id */
    uint64_t seq;
} chd_position;

typedef struct chd_mesh_header {
    uint64_t version;
    uint64_t type;     /* chd_mesh_type, or one we do not know */
    chd_bytes cluster; /* 1..CHD_NAME_BYTES_MAX, text          */
    uint64_t sender;   /* node id, never 0                     */
} chd_mesh_header;

/* HELLO and WELCOME carry
 *   [version_min, version_max, name, region, release, address, port, head,
 *    [origin, seq, origin, seq, ...]] */
typedef struct chd_mesh_hello {
    uint64_t version_min;
    uint64_t version_max;
    chd_bytes name;    /* text, up to CHD_NAME_BYTES_MAX, as the next two */
    chd_bytes region;  /* may be empty */
    chd_bytes release; /* may be empty */
    chd_endpoint endpoint;
    uint64_t head;           /* last sequence number the sender assigned */
    uint32_t position_count; /* up to CHD_ORIGINS_MAX: the sender's vector */
    chd_bytes positions;     /* encoded; walk with chd_mesh_position_next */
} chd_mesh_hello;

typedef struct chd_mesh_events {
    uint64_t origin; /* node id of whoever numbered the records */
    uint64_t first;  /* the frame stands for all of first..last: a sequence */
    uint64_t last;   /* number that no record has was superseded            */
    uint32_t record_count;
    chd_bytes records; /* encoded; walk with chd_mesh_record_next */
} chd_mesh_events;

typedef struct chd_mesh_refuse {
    uint64_t reason; /* chd_refuse_reason, or one we do not know */
    uint64_t version_min;
    uint64_t version_max;
    chd_bytes text; /* up to CHD_TEXT_BYTES_MAX */
} chd_mesh_refuse;

typedef struct chd_mesh_ping {
    uint64_t t0;         /* the pinger's own clock, opaque to everyone else */
    uint64_t received;   /* up to where the sender has the receiver's events */
    bool heard;          /* the sender hears the receiver's PUB socket       */
    uint64_t digest;     /* of the sender's vector                           */
    uint64_t members;    /* digest of the nodes that count for its freshness */
    uint64_t head;       /* PONG only: last sequence number broadcast        */
    uint64_t accepted;   /* PONG only: last one assigned, at least head      */
    uint64_t refuses_ms; /* all sessions of the sender refuse to serve when
                            they are stale for longer, whoever is silent;
                            0: not all of them                              */
    uint64_t to;         /* whom it is for; 0: it does not say so            */
} chd_mesh_ping;

/* Read the header.  The version is not judged, so that a newer release can be
 * refused with words.  The scan is left at the body, which holds *fields more
 * values.
 *
 * Errors: those of chd_scan; CHD_ERANGE when sender is 0.
 */
chd_err chd_mesh_scan_header(chd_scan *scan, chd_mesh_header *header,
                             uint32_t *fields) CHD_MUST_USE;

/* Read a body, given the scan after the header and its count of fields.
 * Everything in it is validated to the last byte, nested records too.
 *
 * Errors: those of chd_scan and chd_event_scan; CHD_EORDER when records are
 *         not ascending within first..last; CHD_ERANGE also when first is 0 or
 *         above last, an origin is 0, or version_min above version_max.
 */
chd_err chd_mesh_scan_hello(chd_scan *scan, uint32_t fields,
                            chd_mesh_hello *hello) CHD_MUST_USE;
chd_err chd_mesh_scan_events(chd_scan *scan, uint32_t fields,
                             chd_mesh_events *events) CHD_MUST_USE;
chd_err chd_mesh_scan_refuse(chd_scan *scan, uint32_t fields,
                             chd_mesh_refuse *refuse) CHD_MUST_USE;
chd_err chd_mesh_scan_ping(chd_scan *scan, uint32_t fields, chd_mesh_ping *ping)
    CHD_MUST_USE;
chd_err chd_mesh_scan_pong(chd_scan *scan, uint32_t fields, chd_mesh_ping *pong)
    CHD_MUST_USE;
/* ACK. */
chd_err chd_mesh_scan_ack(chd_scan *scan, uint32_t fields, chd_position *ack)
    CHD_MUST_USE;
/* BEACON and BYE. */
chd_err chd_mesh_scan_head(chd_scan *scan, uint32_t fields, uint64_t *head)
    CHD_MUST_USE;

/* Take the next record off a validated span: its decoded form and its bytes.
 * Returns false at the end.  A span that was never validated may abort. */
bool chd_mesh_record_next(chd_bytes *records, chd_event *event,
                          chd_bytes *record);

/* Take the next position off a validated span; false at the end. */
bool chd_mesh_position_next(chd_bytes *positions, chd_position *position);

/* Fields that other messages have too: a node id, never 0 (else CHD_ERANGE),
 * and an endpoint. */
uint64_t chd_node_scan(chd_scan *scan);
void chd_endpoint_scan(chd_scan *scan, chd_endpoint *endpoint);
void chd_positions_scan(chd_scan *scan, uint32_t *count, chd_bytes *positions);
void chd_positions_pack(chd_pack *pack, const chd_position *positions,
                        uint32_t count);
void chd_endpoint_pack(chd_pack *pack, const chd_endpoint *endpoint);

/* Write the array header and the four common fields; body_count more values
 * must follow. */
void chd_mesh_pack_header(chd_pack *pack, const chd_mesh_header *header,
                          uint32_t body_count);

/* Write whole messages; header->type says which of the two it is.  positions
 * is an array of hello->position_count elements; hello->positions is not
 * looked at.  The text of REFUSE is cut when it is too long. */
void chd_mesh_pack_hello(chd_pack *pack, const chd_mesh_header *header,
                         const chd_mesh_hello *hello,
                         const chd_position *positions);
void chd_mesh_pack_refuse(chd_pack *pack, const chd_mesh_header *header,
                          const chd_mesh_refuse *refuse);
void chd_mesh_pack_ping(chd_pack *pack, const chd_mesh_header *header,
                        const chd_mesh_ping *ping);
void chd_mesh_pack_head(chd_pack *pack, const chd_mesh_header *header,
                        uint64_t head);

/* ack->origin is whose events they are. */
void chd_mesh_pack_ack(chd_pack *pack, const chd_mesh_header *header,
                       const chd_position *ack);

typedef struct chd_events_writer {
    size_t range_at; /* offset of first and last, nine bytes each */
    size_t array_at;
    uint32_t count;
} chd_events_writer;

/* EVENTS is written piecewise: open it, append records, close it with what
 * the frame stands for. */
void chd_mesh_events_open(chd_pack *pack, const chd_mesh_header *header,
                          uint64_t origin, chd_events_writer *writer);
void chd_mesh_events_add(chd_pack *pack, chd_events_writer *writer,
                         chd_bytes record);
void chd_mesh_events_close(chd_pack *pack, chd_events_writer *writer,
                           uint64_t first, uint64_t last);

#endif
