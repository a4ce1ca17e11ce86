/* limits.h - every bound of the protocol on one page, with its arithmetic and
 * with what happens at the limit.
 *
 * In cache invalidation whatever overflows may be answered by a wider
 * invalidation, up to "drop everything", so each bound has a safe answer.
 *
 * The build may override a few: that is how the tests make an older and a newer
 * release, and how more nodes are simulated than a sidecar takes.
 */
#ifndef CHD_PROTO_BASE_LIMITS_H
#define CHD_PROTO_BASE_LIMITS_H

#include <stdint.h>

/* Protocol versions that this release speaks; both protocols count alike. */
#ifndef CHD_PROTOCOL_MIN
#define CHD_PROTOCOL_MIN 1
#endif
#ifndef CHD_PROTOCOL_MAX
#define CHD_PROTOCOL_MAX 1
#endif

/* A topic fits the msgpack str 8 format and a file name.  Longer: refused by
 * the library, ERROR from the sidecar. */
#define CHD_TOPIC_BYTES_MAX 255

/* A key, tag or prefix.  Longer: refused like a topic. */
#define CHD_TARGET_BYTES_MAX 1024

/* The payload of an update or message: limits.payload, and its ceiling, half
 * of a frame, so that a record always fits one. */
#define CHD_PAYLOAD_BYTES_DEFAULT (64 * 1024)
#ifndef CHD_PAYLOAD_BYTES_MAX
#define CHD_PAYLOAD_BYTES_MAX (512 * 1024)
#endif

/* One message of either protocol.  Longer: the connection is dropped (libzmq
 * does that itself with ZMQ_MAXMSGSIZE). */
#define CHD_FRAME_BYTES_MAX (1024 * 1024)

/* A broadcast or session frame is closed when it has this size, so that a
 * batch fits caches and a slow link sees progress.  A single larger record
 * still travels, alone. */
#define CHD_BATCH_BYTES (64 * 1024)

/* A record around its payload: 1 (array) + 9 (seq) + 1 + 5 (flags) + 9 (hlc) +
 * 2 + topic + 1 + 3 + target + 5 + payload + 9 (client) + 9 (number) +
 * 9 (version) + 9 (again_ms), rounded up. */
#define CHD_RECORD_OVERHEAD_MAX                                                \
    (64 + CHD_TOPIC_BYTES_MAX + CHD_TARGET_BYTES_MAX)
#define CHD_RECORD_BYTES_MAX (CHD_RECORD_OVERHEAD_MAX + CHD_PAYLOAD_BYTES_MAX)

/* Names of nodes, clusters, regions, releases and clients.  Longer: refused. */
#ifndef CHD_NAME_BYTES_MAX
#define CHD_NAME_BYTES_MAX 127
#endif

/* Texts of errors and refusals on the wire.  Longer: cut by the sender,
 * refused by the receiver. */
#define CHD_TEXT_BYTES_MAX 255

/* Peers that one node dials.  More: the surplus is not dialled, counted and
 * reported as degraded. */
#ifndef CHD_PEERS_MAX
#define CHD_PEERS_MAX 1024
#endif

/* Origins whose position is remembered, living and dead.  More: the one that
 * was silent longest is forgotten; meeting it again means RESET. */
#define CHD_ORIGINS_MAX 4096

/* Nodes that count for freshness: peers, those that only others reach, and
 * those that died lately.  What finds no place holds freshness back. */
#ifndef CHD_COUNTED_MAX
#define CHD_COUNTED_MAX 2048
#endif

/* Sessions of one sidecar.  More: ERROR and close. */
#define CHD_SESSIONS_MAX 1024

/* Subscriptions of all sessions together and of one.  More: ERROR and close
 * for the session that asks. */
#define CHD_SUBSCRIPTIONS_MAX 65536
#define CHD_SESSION_SUBSCRIPTIONS_MAX 16384

/* Topics that one RESET names.  More: it names none, which means all. */
#define CHD_RESET_TOPICS_MAX 1024

/* Items of one PUBLISH.  More: ERROR and close; the library splits. */
#define CHD_PUBLISH_ITEMS_MAX 4096

/* Bytes of events sent to a session and not yet applied by it.  More: the
 * session waits in the log, and is RESET when the log leaves it behind. */
#define CHD_SESSION_WINDOW_BYTES (512 * 1024)
/* APPLIED, and RECEIPT where nobody waits for it, come at least that often. */
#define CHD_SESSION_REPORT_BYTES (128 * 1024)

/* Bytes of publishes that a client keeps until they are replicated, and that
 * it sends without a receipt.  More:
 * COHERD_ERR_AGAIN, or the call waits. */
#define CHD_PUBLISH_WINDOW_BYTES (1024 * 1024)

/* The log of recent events: log.bytes and its bounds. */
#define CHD_LOG_BYTES_DEFAULT (32 * 1024 * 1024)
#define CHD_LOG_BYTES_MIN (4 * 1024 * 1024)
#define CHD_LOG_BYTES_MAX ((size_t)1024 * 1024 * 1024)

/* Arrays and maps inside each other in a field that this release does not
 * know.  Deeper: the message is refused.  (Those it knows nest three deep.) */
#define CHD_DEPTH_MAX 4

/* How far behind a gap an invalidation is delivered at once and remembered.
 * Beyond: it waits for repair like everything else. */
#define CHD_WINDOW_SEQS 4096

/* Origins that are repaired at the same time.  More: later. */
#define CHD_REPAIRS_MAX 64

/* Questions without an answer before a dead origin's events count as lost. */
#define CHD_REPAIR_TRIES_MAX 8

/* One answer, and what one node answers in a second.  More: asked again. */
#define CHD_REPAIR_CHUNK_BYTES (128 * 1024)
#define CHD_REPAIR_BYTES_PER_SECOND ((uint64_t)64 * 1024 * 1024)

/* What a node has in flight to its slowest healthy member.  The transport's
 * queues must hold as many messages, or it drops them (asserted in
 * broker/zsocket.c).  More: publishers wait. */
#define CHD_PACE_MESSAGES_MAX 2048
#define CHD_PACE_BYTES_MAX ((uint64_t)2 * 1024 * 1024)

/* A member that acknowledges nothing for so long while others wait for it
 * does not count any more until it has caught up. */
#define CHD_PACE_PATIENCE_MS 250

/* A member acknowledges at the latest after so many bytes of one origin; much
 * less than what may be in flight, so that acknowledging never stalls it. */
#define CHD_ACK_BYTES (128 * 1024)
#define CHD_ACK_MESSAGES 256

/* Own events in the log that were not broadcast yet.  More: sessions are not
 * read from. */
#define CHD_UNSENT_BYTES_MAX ((size_t)1024 * 1024)

/* Publishing clients of the whole mesh whose publications are remembered, and
 * ranges of them for each.  More: the one that was quiet for longest is
 * forgotten, and what it publishes again may be delivered twice. */
#define CHD_PUBLISHERS_MAX 4096
#define CHD_PUBLISHED_RANGES_MAX 16

/* Points in a session's publishes whose replication is waited for one by one.
 * More: the newest one moves on, and is reported when all of it is there. */
#define CHD_REPLICATION_MARKS_MAX 16

/* Questions of sessions that wait at one time until an event is applied
 * everywhere, and until it is applied in the session.  More: refused. */
#define CHD_CONFIRMS_MAX 256
#define CHD_AWAITS_MAX 256

/* Of each, by one session.  More: refused. */
#define CHD_SESSION_ASKS_MAX 128

/* Origins of which a node is asked how far its sessions have applied them.
 * More: not answered until others are not asked for any more; it is asked
 * again. */
#define CHD_WANTS_MAX 64

/* Members and sessions that are named as missing.  More: counted only. */
#define CHD_MISSING_MAX 64

/* Sessions of one member, and of all other members, that are named among them.
 * More: the member is named alone. */
#define CHD_LACKING_MAX 8
#define CHD_CONFIRM_NAMES_MAX 16

/* The longest bound of a session that refuses to serve beyond it; a year.
 * Longer: it counts as this one. */
#define CHD_BOUND_MS_MAX ((uint64_t)365 * 24 * 3600 * 1000)

/* Questions of one client under way.  More: COHERD_ERR_LIMIT. */
#define CHD_CLIENT_ASKS_MAX CHD_SESSION_ASKS_MAX

/* EVENTS messages that wait behind a gap.  More: fetched again. */
#define CHD_HOLD_BYTES_MAX ((size_t)2 * 1024 * 1024)
#define CHD_HOLD_MESSAGES_MAX 256

/* Topics remembered of what left the log, over all origins.  More: all topics
 * count as touched. */
#define CHD_FORGOTTEN_TOPICS_MAX 4096

/* Invalidations that an application's end remembers to refuse fills that began
 * before them: keys, tags and prefixes, of the latest.  More: a fill that
 * began before the oldest of them is refused, whatever it is for. */
#define CHD_FILL_FLOORS_MAX 16384

/* Lengths of prefixes among them.  More: as above. */
#define CHD_FILL_PREFIX_LENGTHS_MAX 16

/* Versions demanded of fills.  More: fills in the same bucket must show the
 * newest version of those that did not fit. */
#define CHD_FILL_DEMANDS_MAX 16384

/* How long a version is demanded, unless the application says otherwise. */
#define CHD_REPLICA_LAG_MAX_MS 60000

/* Invalidations that wait to be applied again, and how long one may.  More:
 * one of the topic widens to the whole topic, at last to a RESET of all.
 * Longer: refused by the library, shortened by who receives it. */
#define CHD_AGAIN_COUNT_MAX 2048
#define CHD_AGAIN_MS_MAX 3600000

/* Sequence numbers, and positions in a session's stream.  Larger: the message
 * is refused.  So adding a count to one never wraps, and languages without
 * unsigned numbers can hold them; at a million events a second the first
 * 290,000 years are safe. */
#define CHD_SEQ_MAX ((uint64_t)INT64_MAX)

#endif
