/* Invalidations with a version or an again keep their place in the log. */
#include <criterion/criterion.h>

#include "tests/support/heap.h"
#include "tests/support/rig.h"

static uint8_t buf[CHD_FRAME_BYTES_MAX];
static rig *bench;

/* node 77 broadcasts invalidations of one key, with these demands. */
static void broadcast(uint64_t first, const chd_event *demands, uint64_t count)
{
    const chd_mesh_header header = rig_header(77, CHD_MESH_EVENTS);
    chd_events_writer writer;
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_mesh_events_open(&pack, &header, 77, &writer);
    for (uint64_t i = 0; i < count; i++) {
        chd_event event = demands[i];
        event.seq = first + i;
        event.kind = CHD_KIND_INVALIDATE;
        event.target_kind = CHD_TARGET_KEY;
        event.topic = chd_bytes_str("t");
        event.target = chd_bytes_str("51");
        chd_event_pack(&pack, &event);
        writer.count++;
    }
    chd_mesh_events_close(&pack, &writer, first, first + count - 1);
    cr_assert_not(pack.overflow);
    rig_broadcast(bench, chd_pack_bytes(&pack));
    rig_turn(bench);
}

Test(core_demand, nothing_stands_for_a_demand_nor_a_demand_for_anything)
{
    const chd_event demands[] = {
        {.hlc = 1}, {.version = 5}, {.again_ms = 9}, {.version = 3}, {.hlc = 2},
    };
    const chd_core_config config = rig_config();
    chd_node_report report;

    bench = rig_new(&config);
    rig_join(bench, 77, 2);
    rig_turn(bench);
    broadcast(1, demands, CHD_COUNT(demands));
    chd_core_report_node(bench->core, bench->now, &report);
    const uint64_t with = report.log_bytes;
    /* Of six that demand nothing the last one stands for all. */
    const chd_event plain[] = {{.hlc = 3}, {.hlc = 4}};
    broadcast(6, plain, CHD_COUNT(plain));
    chd_core_report_node(bench->core, bench->now, &report);
    cr_assert_eq(report.log_bytes, with);
    cr_assert_geq(with, 4 * 64, "three demands and one that has none");
    rig_free(bench);
    NO_LEAKS();
}
