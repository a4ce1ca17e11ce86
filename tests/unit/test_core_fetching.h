/* test_core_fetching.h - a core that misses events of one member, and what
 * members answer it.
 */
#ifndef CHD_TESTS_UNIT_TEST_CORE_FETCHING_H
#define CHD_TESTS_UNIT_TEST_CORE_FETCHING_H

#include <criterion/criterion.h>

#include "proto/base/limits.h"
#include "tests/support/heap.h"
#include "tests/support/rig.h"

#define ANSWER_PATIENCE (251 * CHD_MS)

static rig *bench;
static uint8_t buf[CHD_FRAME_BYTES_MAX];
static uint32_t peer_77;
static uint32_t peer_78;

/* Session 0 has subscribed to everything; 77 and 78 are members. */
static inline void setup(void)
{
    const chd_core_config config = rig_config();
    bench = rig_new(&config);
    rig_join(bench, 77, 2);
    peer_77 = bench->dialled;
    rig_join(bench, 78, 3);
    peer_78 = bench->dialled;
    rig_subscribe(bench, 0);
}

static inline void finish(void)
{
    rig_free(bench);
    NO_LEAKS();
}

/* Assert which events sessions were sent so far; up to a 0. */
static inline void assert_events(const uint64_t *seqs)
{
    size_t count = 0;

    for (; seqs[count] > 0; count++) {
        cr_assert_lt(count, bench->event_count, "event %zu", count);
        cr_assert_eq(bench->events[count], seqs[count], "event %zu", count);
    }
    cr_assert_eq(bench->event_count, count);
}

#define ASSERT_EVENTS(...) assert_events((const uint64_t[]){__VA_ARGS__, 0})

/* node answers with messages of these numbers, up to a 0. */
static inline chd_bytes repair_of(uint64_t node, const chd_mesh_repair *repair,
                                  const uint64_t *seqs)
{
    const chd_mesh_header header = rig_header(node, CHD_MESH_REPAIR);
    chd_repair_writer writer;
    uint32_t count = 0;
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_mesh_repair_open(&pack, &header, repair, &writer);
    for (; seqs[count] > 0; count++) {
        const chd_event event = {
            .seq = seqs[count],
            .kind = CHD_KIND_MESSAGE,
            .topic = chd_bytes_str("t"),
        };
        chd_event_pack(&pack, &event);
    }
    chd_mesh_repair_close(&pack, &writer, repair->last, count);
    cr_assert_not(pack.overflow);
    return chd_pack_bytes(&pack);
}

/* node sends 77's events first..last, those of the list. */
static inline void answer(uint64_t node, uint64_t first, uint64_t last,
                          uint64_t held, const uint64_t *seqs)
{
    const chd_mesh_repair repair = {
        .origin = 77, .first = first, .last = last, .held = held};

    rig_control(bench, CHD_PEER_NONE, repair_of(node, &repair, seqs));
    rig_turn(bench);
}

#define ANSWER(node, first, last, held, ...)                                   \
    answer(node, first, last, held, (const uint64_t[]){__VA_ARGS__, 0})

#endif
