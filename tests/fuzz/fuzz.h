/* fuzz.h - what each fuzzer defines; libFuzzer has no header for C. */
#ifndef CHD_TESTS_FUZZ_FUZZ_H
#define CHD_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Make something of any bytes: a fault aborts.  Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
