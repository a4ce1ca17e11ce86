#include <criterion/criterion.h>

#include "proto/base/limits.h"
#include "proto/core/peer.h"
#include "tests/support/heap.h"
#include "tests/support/rig.h"

static chd_peers new_peers(uint32_t count_max)
{
    chd_peers peers;
    const chd_err err = chd_peers_init(&peers, count_max, heap_mem());

    cr_assert_eq(err, CHD_OK);
    return peers;
}

static chd_peer *add(chd_peers *peers, uint8_t number)
{
    const chd_endpoint endpoint = rig_endpoint(number);
    return chd_peers_add(peers, &endpoint, 5);
}

static chd_peer *at(const chd_peers *peers, uint8_t number)
{
    const chd_endpoint endpoint = rig_endpoint(number);
    return chd_peers_at(peers, &endpoint);
}

Test(peer, survives_being_out_of_memory)
{
    chd_peers peers;

    for (size_t nth = 1; nth <= 3; nth++) {
        heap_fail_nth(nth);
        cr_assert_eq(chd_peers_init(&peers, 4, heap_mem()), CHD_ENOMEM);
        cr_assert_eq(heap_balance(), 0);
    }
    heap_fail_nth(0);
    cr_assert_eq(chd_peers_init(&peers, 4, heap_mem()), CHD_OK);
    chd_peers_fini(&peers);
    NO_LEAKS();
}

Test(peer, is_found_by_address_and_by_node)
{
    chd_peers peers = new_peers(4);
    chd_peer *one = add(&peers, 1);
    chd_peer *two = add(&peers, 2);

    chd_peers_meet(&peers, two, 77);
    cr_assert_eq(at(&peers, 1), one);
    cr_assert_eq(at(&peers, 2), two);
    cr_assert_null(at(&peers, 3));
    cr_assert_eq(chd_peers_node(&peers, 77), two);
    cr_assert_null(chd_peers_node(&peers, 78));
    cr_assert_eq(chd_peers_index(&peers, one), 0);
    cr_assert_eq(chd_peers_index(&peers, two), 1);
    chd_peers_fini(&peers);
    NO_LEAKS();
}

Test(peer, another_node_behind_an_address_is_found_and_the_former_is_not)
{
    chd_peers peers = new_peers(4);
    chd_peer *one = add(&peers, 1);
    chd_peer *two = add(&peers, 2);

    chd_peers_meet(&peers, one, 77);
    chd_peers_meet(&peers, one, 78);
    cr_assert_null(chd_peers_node(&peers, 77));
    cr_assert_eq(chd_peers_node(&peers, 78), one);
    chd_peers_meet(&peers, one, 0);
    cr_assert_null(chd_peers_node(&peers, 78));
    cr_assert_null(chd_peers_node(&peers, 0));
    chd_peers_meet(&peers, two, 78);
    cr_assert_eq(chd_peers_node(&peers, 78), two);
    chd_peers_fini(&peers);
    NO_LEAKS();
}

Test(peer, all_of_a_full_table_are_found)
{
    enum { COUNT = 255 };
    chd_peers peers = new_peers(COUNT);

    for (uint32_t i = 1; i <= COUNT; i++) {
        chd_peer *peer = add(&peers, (uint8_t)i);
        cr_assert_eq(chd_peers_index(&peers, peer), i - 1);
        chd_peers_meet(&peers, peer, 1000 + i);
    }
    /* Every second one goes, and the places are taken again from the lowest. */
    for (uint32_t i = 1; i <= COUNT; i += 2) {
        chd_peers_remove(&peers, at(&peers, (uint8_t)i));
    }
    for (uint32_t i = 1; i <= COUNT; i++) {
        chd_peer *peer = at(&peers, (uint8_t)i);
        cr_assert_eq(peer == NULL, i % 2 == 1);
        cr_assert_eq(chd_peers_node(&peers, 1000 + i), peer);
    }
    for (uint32_t i = 1; i <= COUNT; i += 2) {
        cr_assert_eq(chd_peers_index(&peers, add(&peers, (uint8_t)i)), i - 1);
    }
    chd_peers_fini(&peers);
    NO_LEAKS();
}

Test(peer, ports_tell_addresses_apart)
{
    chd_endpoint a = rig_endpoint(1);
    chd_endpoint b = rig_endpoint(1);

    cr_assert(chd_endpoint_equal(&a, &b));
    b.port++;
    cr_assert_not(chd_endpoint_equal(&a, &b));
    b = rig_endpoint(2);
    cr_assert_not(chd_endpoint_equal(&a, &b));
}

Test(peer, table_is_full_at_its_limit_and_room_is_used_again)
{
    chd_peers peers = new_peers(3);

    for (uint8_t i = 1; i <= 3; i++) {
        cr_assert_not_null(add(&peers, i));
    }
    cr_assert_null(add(&peers, 4));
    chd_peers_meet(&peers, at(&peers, 2), 77);
    chd_peers_remove(&peers, at(&peers, 2));
    cr_assert_eq(peers.count, 2);
    cr_assert_null(at(&peers, 2));
    cr_assert_null(chd_peers_node(&peers, 77));

    chd_peer *again = add(&peers, 5);
    cr_assert_eq(chd_peers_index(&peers, again), 1);
    cr_assert_eq(again->node, 0);
    cr_assert_eq(again->heard_ns, 5);
    cr_assert_null(add(&peers, 6));
    chd_peers_fini(&peers);
    NO_LEAKS();
}

Test(peer, names_of_every_length_are_kept)
{
    uint8_t text[CHD_NAME_BYTES_MAX];
    chd_name name = {0};

    memset(text, 'x', sizeof(text));
    for (size_t len = 0; len <= sizeof(text); len++) {
        chd_name_set(&name, chd_bytes_of(text, len));
        cr_assert(
            chd_bytes_equal(chd_name_bytes(&name), chd_bytes_of(text, len)));
    }
    chd_name_set(&name, (chd_bytes){NULL, 0});
    cr_assert_eq(chd_name_bytes(&name).len, 0);
}
