/* Whatever an application or a sidecar sends is decoded or refused. */
#include "tests/fuzz/fuzz.h"
#include "tests/support/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const chd_err err = walk_local(chd_bytes_of(data, size));

    CHD_ASSERT(err < CHD_ERR_COUNT);
    return 0;
}
