/* samples.h - one message of every type of both protocols, and records.
 *
 * The tests of the codec take them apart in every way, and tests/vectors holds
 * their bytes under the same names.
 */
#ifndef CHD_TESTS_SUPPORT_SAMPLES_H
#define CHD_TESTS_SUPPORT_SAMPLES_H

#include "proto/wire/applied.h"
#include "proto/wire/local.h"
#include "proto/wire/mesh.h"
#include "proto/wire/repair.h"

typedef struct sample {
    const char *name;
    void (*pack)(chd_pack *pack);
} sample;

typedef struct sample_list {
    const sample *samples;
    size_t count;
} sample_list;

/* Return the samples of the mesh, of the local protocol, and of records. */
sample_list samples_mesh(void);
sample_list samples_local(void);
sample_list samples_record(void);

/* No sample is larger. */
#define SAMPLE_BYTES_MAX 1024

/* Encode a sample into buf; aborts when it does not fit. */
chd_bytes sample_bytes(const sample *from, uint8_t buf[SAMPLE_BYTES_MAX]);

#endif
