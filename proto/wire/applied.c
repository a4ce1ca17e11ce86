#include "proto/wire/applied.h"

chd_err chd_mesh_scan_want(chd_scan *scan, uint32_t fields, chd_mesh_want *want)
{
    chd_mesh_want read;

    read.origin = chd_node_scan(scan);
    read.seq = chd_scan_uint(scan, CHD_SEQ_MAX);
    if (read.seq == 0) {
        chd_scan_fail(scan, CHD_ERANGE);
    }
    read.who = chd_scan_bool(scan);
    chd_scan_rest(scan, fields, 3);

    const chd_err err = chd_scan_end(scan);
    if (err == CHD_OK) {
        *want = read;
    }
    return err;
}

chd_err chd_mesh_scan_applied(chd_scan *scan, uint32_t fields,
                              chd_mesh_applied *applied)
{
    chd_mesh_applied read;

    read.origin = chd_node_scan(scan);
    read.seq = chd_scan_uint(scan, CHD_SEQ_MAX);
    read.refusing = chd_scan_uint(scan, UINT64_MAX);
    read.lacking_count = chd_scan_array(scan, CHD_LACKING_MAX);
    const uint8_t *start = scan->at;
    for (uint32_t i = 0; i < read.lacking_count && scan->err == CHD_OK; i++) {
        (void)chd_scan_str(scan, CHD_NAME_BYTES_MAX);
    }
    read.lacking = chd_scan_since(scan, start);
    chd_scan_rest(scan, fields, 4);

    const chd_err err = chd_scan_end(scan);
    if (err == CHD_OK) {
        *applied = read;
    }
    return err;
}

bool chd_mesh_lacking_next(chd_bytes *lacking, chd_bytes *name)
{
    chd_scan scan;

    if (lacking->len == 0) {
        return false;
    }
    chd_scan_init(&scan, *lacking);
    *name = chd_scan_str(&scan, CHD_NAME_BYTES_MAX);
    CHD_ASSERT(scan.err == CHD_OK);
    *lacking = chd_bytes_of(scan.at, chd_scan_left(&scan));
    return true;
}

void chd_mesh_pack_want(chd_pack *pack, const chd_mesh_header *header,
                        const chd_mesh_want *want)
{
    CHD_ASSERT(header->type == CHD_MESH_WANT);

    chd_mesh_pack_header(pack, header, 3);
    chd_pack_uint(pack, want->origin);
    chd_pack_uint(pack, want->seq);
    chd_pack_bool(pack, want->who);
}

size_t chd_mesh_applied_open(chd_pack *pack, const chd_mesh_header *header,
                             const chd_mesh_applied *applied)
{
    CHD_ASSERT(header->type == CHD_MESH_APPLIED);

    chd_mesh_pack_header(pack, header, 4);
    chd_pack_uint(pack, applied->origin);
    chd_pack_uint(pack, applied->seq);
    chd_pack_uint(pack, applied->refusing);
    return chd_pack_array_open(pack);
}

void chd_mesh_applied_add(chd_pack *pack, chd_bytes name)
{
    chd_pack_str(pack, name);
}

void chd_mesh_applied_close(chd_pack *pack, size_t array_at, uint32_t count)
{
    chd_pack_array_close(pack, array_at, count);
}
