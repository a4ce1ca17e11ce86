/* Who was settled counts again when somebody turns up who has more of it. */
#include <criterion/criterion.h>

#include "proto/base/limits.h"
#include "tests/support/heap.h"
#include "tests/support/rig.h"

static rig *bench;
static uint8_t buf[CHD_FRAME_BYTES_MAX];

static uint64_t now(void)
{
    return bench->now.mono_ns;
}

/* Let time pass in ping intervals; a node answers each PING, 0: nobody. */
static void pass(uint64_t ms, uint64_t node)
{
    for (uint64_t gone = 0; gone < ms; gone += 500) {
        rig_pass(bench, chd_min_u64(ms - gone, 500) * CHD_MS);
        if (node != 0) {
            rig_broadcast(bench, rig_head(buf, node, CHD_MESH_BEACON, 0));
            rig_control(bench, CHD_PEER_NONE, rig_pong(buf, node, now(), 0, 0));
        }
        rig_turn(bench);
    }
}

/* 77 has died and is settled, and now 78 has joined. */
static void setup(void)
{
    const chd_core_config config = rig_config();

    bench = rig_new(&config);
    rig_join(bench, 77, 2);
    rig_control(bench, CHD_PEER_NONE, rig_pong(buf, 77, now(), 0, 0));
    pass(11000, 0);
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_SETTLED], 1);
    rig_join(bench, 78, 3);
    pass(500, 78);
}

TestSuite(core_settled, .init = setup);

static void finish(void)
{
    rig_free(bench);
    NO_LEAKS();
}

static void assert_staleness(uint64_t ms, uint64_t held_by)
{
    chd_node_report node;

    chd_core_report_node(bench->core, bench->now, &node);
    cr_assert_eq(node.staleness_ms, ms, "%llu ms",
                 (unsigned long long)node.staleness_ms);
    cr_assert_eq(node.held_by, held_by, "%llu",
                 (unsigned long long)node.held_by);
}

/* sender has 77's events up to seq; t0 is when we asked, 0: we did not. */
static void tell(uint64_t sender, uint64_t t0, uint64_t seq)
{
    const chd_mesh_header header = rig_header(sender, CHD_MESH_VECTOR);
    const chd_mesh_vector vector = {.position_count = 1, .t0 = t0};
    const chd_position position = {77, seq};
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_mesh_vector_close(
        &pack, chd_mesh_vector_open(&pack, &header, &vector, &position), 0);
    rig_control(bench, CHD_PEER_NONE, chd_pack_bytes(&pack));
    rig_turn(bench);
}

/* 78 answers with 77's invalidations 1 to last. */
static void repair(uint64_t last)
{
    rig_control(bench, CHD_PEER_NONE, rig_repair(buf, 78, 77, 1, last));
    rig_turn(bench);
}

Test(core_settled, it_counts_until_what_another_has_of_it_is_here)
{
    assert_staleness(0, 0);
    tell(78, 0, 3);
    assert_staleness(11500, 77);
    pass(500, 78);
    repair(3);
    pass(500, 78);
    assert_staleness(12500, 77);
    tell(78, bench->vector_t0, 3);
    pass(500, 78);
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_SETTLED], 2);
    assert_staleness(0, 0);
    tell(78, now(), 3);
    assert_staleness(0, 0);
    finish();
}

/* What it says of itself it says alive, and when it is heard it counts. */
Test(core_settled, what_it_had_itself_does_not_make_it_dead_anew)
{
    tell(77, 0, 3);
    cr_assert_eq(chd_core_counts_since(bench->core, 77), CHD_NEVER_NS);
    finish();
}
