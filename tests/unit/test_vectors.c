/* The files in tests/vectors say what they contain in words and in bytes; the
 * same bytes must come from the words, from our encoder, and go into our
 * decoder.
 */
#include <criterion/criterion.h>
#include <msgpack.h>
#include <stdio.h>

#include "proto/wire/dump.h"
#include "tests/support/samples.h"
#include "tests/support/walk.h"

#define VECTORS_MAX 100
#define TEXT_MAX 2048

typedef struct vector {
    char name[TEXT_MAX];
    char about[TEXT_MAX];
    char value[TEXT_MAX];
    char hex[TEXT_MAX];
    char dump[TEXT_MAX];
    char error[TEXT_MAX];
    uint8_t bytes[TEXT_MAX];
    size_t len;
} vector;

typedef struct protocol {
    const char *path;
    sample_list (*samples)(void);
    chd_err (*walk)(chd_bytes message);
    void (*dump)(chd_bytes message, char *line, size_t cap);
} protocol;

static const protocol record = {"tests/vectors/record.txt", samples_record,
                                walk_record, chd_dump_record};
static const protocol mesh = {"tests/vectors/mesh.txt", samples_mesh, walk_mesh,
                              chd_dump_mesh};
static const protocol local = {"tests/vectors/local.txt", samples_local,
                               walk_local, chd_dump_local};

static vector vectors[VECTORS_MAX];
static size_t vector_count;

/* --- reading the files ---------------------------------------------------- */

static char *field_of(vector *one, const char *key)
{
    const struct {
        const char *key;
        char *text;
    } fields[] = {
        {"name:", one->name}, {"about:", one->about}, {"value:", one->value},
        {"hex:", one->hex},   {"dump:", one->dump},   {"error:", one->error},
    };

    for (size_t i = 0; i < CHD_COUNT(fields); i++) {
        if (strncmp(key, fields[i].key, strlen(fields[i].key)) == 0) {
            return fields[i].text;
        }
    }
    return NULL;
}

static void append(char *text, const char *more)
{
    const size_t len = strlen(text);
    const size_t more_len = strcspn(more, "\n");

    cr_assert_lt(len + 1 + more_len, TEXT_MAX);
    if (len > 0) {
        text[len] = ' ';
    }
    memcpy(text + len + (len > 0), more, more_len);
    text[len + (len > 0) + more_len] = '\0';
}

static void read_hex(vector *one)
{
    const char *at = one->hex;
    unsigned byte = 0;
    int used = 0;

    while (sscanf(at, " %2x%n", &byte, &used) == 1) {
        one->bytes[one->len++] = (uint8_t)byte;
        at += used;
    }
    cr_assert_str_empty(at, "%s: the hex has a bad end", one->name);
}

static void load(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[TEXT_MAX];
    char *field = NULL;

    cr_assert_not_null(file, "%s: run from the root of the repository", path);
    memset(vectors, 0, sizeof(vectors));
    vector_count = 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (line[0] == '#' || line[0] == '\n') {
            continue;
        }
        if (line[0] == ' ') {
            cr_assert_not_null(field, "%s", line);
            append(field, line + strspn(line, " "));
            continue;
        }
        if (strncmp(line, "name:", 5) == 0) {
            cr_assert_lt(vector_count, VECTORS_MAX);
            vector_count++;
        }
        cr_assert_gt(vector_count, 0, "%s", line);
        field = field_of(&vectors[vector_count - 1], line);
        cr_assert_not_null(field, "%s", line);
        cr_assert_str_empty(field, "twice: %s", line);
        const char *text = strchr(line, ':') + 1;
        append(field, text + strspn(text, " "));
    }
    (void)fclose(file);
    for (size_t i = 0; i < vector_count; i++) {
        read_hex(&vectors[i]);
    }
}

static chd_bytes bytes_of(const vector *one)
{
    return chd_bytes_of(one->bytes, one->len);
}

static bool has(const char *text)
{
    return text[0] != '\0';
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* --- writing what a value says -------------------------------------------- */

#define NESTED_MAX 16

/* An array or map that is not closed yet. */
typedef struct open_value {
    size_t at; /* where its header will stand */
    size_t count;
    char bracket;
    int width; /* of the count, in bits; 0 is the shortest */
} open_value;

typedef struct writer {
    const char *at; /* in the text of the value */
    msgpack_sbuffer out;
    msgpack_packer packer;
    open_value nested[NESTED_MAX];
    size_t depth;
} writer;

static void pack_as(msgpack_packer *packer, long long number, bool is_signed,
                    int width)
{
    if (is_signed) {
        width == 8    ? msgpack_pack_fix_int8(packer, (int8_t)number)
        : width == 16 ? msgpack_pack_fix_int16(packer, (int16_t)number)
        : width == 32 ? msgpack_pack_fix_int32(packer, (int32_t)number)
                      : msgpack_pack_fix_int64(packer, number);
    } else {
        width == 8    ? msgpack_pack_fix_uint8(packer, (uint8_t)number)
        : width == 16 ? msgpack_pack_fix_uint16(packer, (uint16_t)number)
        : width == 32 ? msgpack_pack_fix_uint32(packer, (uint32_t)number)
                      : msgpack_pack_fix_uint64(packer, (uint64_t)number);
    }
}

/* "7", "-1", "7_64", "7_i8" */
static void write_number(writer *to)
{
    char *end = NULL;
    const bool negative = *to->at == '-';
    const uint64_t number = negative ? (uint64_t)strtoll(to->at, &end, 10)
                                     : strtoull(to->at, &end, 10);

    cr_assert_neq(end, to->at, "not a value: %s", to->at);
    if (*end == '_') {
        const bool is_signed = end[1] == 'i';
        const long width = strtol(end + (is_signed ? 2 : 1), &end, 10);
        pack_as(&to->packer, (long long)number, is_signed, (int)width);
    } else if (negative) {
        msgpack_pack_int64(&to->packer, (int64_t)number);
    } else {
        msgpack_pack_uint64(&to->packer, number);
    }
    to->at = end;
}

/* Read what stands between quotes. */
static size_t read_quoted(writer *to, uint8_t *bytes)
{
    size_t len = 0;

    for (to->at++; *to->at != '"'; to->at++) {
        unsigned byte = (uint8_t)*to->at;
        cr_assert_neq(byte, 0, "a quote is missing");
        if (to->at[0] == '\\' && to->at[1] == 'x') {
            cr_assert_eq(sscanf(to->at + 2, "%2x", &byte), 1);
            to->at += 3;
        } else if (to->at[0] == '\\') {
            byte = (uint8_t) * ++to->at;
        }
        bytes[len++] = (uint8_t)byte;
    }
    to->at++;
    return len;
}

static void write_string(writer *to)
{
    const char form = *to->at;
    uint8_t bytes[TEXT_MAX];

    if (form == '"') {
        const size_t len = read_quoted(to, bytes);
        msgpack_pack_str_with_body(&to->packer, bytes, len);
        return;
    }
    to->at++;
    size_t len = read_quoted(to, bytes);
    for (size_t i = 0; form == 'h' && i < len / 2; i++) {
        unsigned byte = 0;
        cr_assert_eq(sscanf((const char *)bytes + 2 * i, "%2x", &byte), 1);
        bytes[i] = (uint8_t)byte;
    }
    len = form == 'h' ? len / 2 : len;
    msgpack_pack_bin_with_body(&to->packer, bytes, len);
}

static void write_scalar(writer *to)
{
    static const char *const words[] = {"nil", "true", "false"};

    if (*to->at == '"' || to->at[1] == '"') {
        write_string(to);
        return;
    }
    for (size_t i = 0; i < CHD_COUNT(words); i++) {
        if (begins(to->at, words[i])) {
            i == 0   ? msgpack_pack_nil(&to->packer)
            : i == 1 ? msgpack_pack_true(&to->packer)
                     : msgpack_pack_false(&to->packer);
            to->at += strlen(words[i]);
            return;
        }
    }
    write_number(to);
}

static void open_nested(writer *to)
{
    open_value opened = {to->out.size, 0, *to->at, 0};

    to->at++;
    if (*to->at == '_') {
        char *end = NULL;
        opened.width = (int)strtol(to->at + 1, &end, 10);
        to->at = end;
    }
    cr_assert_lt(to->depth, NESTED_MAX);
    to->nested[to->depth++] = opened;
}

/* Put the header before what was written of a container. */
static void close_nested(writer *to)
{
    const open_value closed = to->nested[--to->depth];
    const size_t body_len = to->out.size - closed.at;
    char body[TEXT_MAX];

    cr_assert_eq(*to->at++, closed.bracket == '[' ? ']' : '}');
    if (body_len > 0) {
        memcpy(body, to->out.data + closed.at, body_len);
    }
    to->out.size = closed.at;
    if (closed.width != 0) {
        const size_t width = (size_t)closed.width / 8;
        const char header[5] = {
            (char)(width == 2 ? 0xdc : 0xdd),
            (char)(width == 2 ? closed.count >> 8 : 0),
            (char)(width == 2 ? closed.count : 0),
            0,
            (char)closed.count,
        };
        msgpack_sbuffer_write(&to->out, header, 1 + width);
    } else if (closed.bracket == '[') {
        msgpack_pack_array(&to->packer, closed.count);
    } else {
        cr_assert_eq(closed.count % 2, 0);
        msgpack_pack_map(&to->packer, closed.count / 2);
    }
    msgpack_sbuffer_write(&to->out, body, body_len);
}

static void write_value(writer *to, const char *value)
{
    to->at = value;
    to->depth = 0;
    msgpack_sbuffer_init(&to->out);
    msgpack_packer_init(&to->packer, &to->out, msgpack_sbuffer_write);
    do {
        to->at += strspn(to->at, " ,:");
        if (*to->at == '[' || *to->at == '{') {
            open_nested(to);
            continue;
        }
        if (*to->at == ']' || *to->at == '}') {
            cr_assert_gt(to->depth, 0, "%s", value);
            close_nested(to);
        } else {
            write_scalar(to);
        }
        if (to->depth > 0) {
            to->nested[to->depth - 1].count++;
        }
    } while (to->depth > 0);
    cr_assert_str_empty(to->at, "%s: left over", value);
}

/* --- tests ---------------------------------------------------------------- */

static void print_hex(char *text, chd_bytes bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        snprintf(text + 3 * i, 4, "%02x ", bytes.ptr[i]);
    }
    text[bytes.len > 0 ? 3 * bytes.len - 1 : 0] = '\0';
}

static void assert_same_bytes(const vector *one, chd_bytes bytes)
{
    static char text[3 * TEXT_MAX];

    print_hex(text, bytes);
    cr_assert(chd_bytes_equal(bytes, bytes_of(one)), "%s is %s", one->name,
              text);
}

/* Each vector has what it needs, and a name of its own. */
static void check_form(const protocol *of)
{
    load(of->path);
    cr_assert_gt(vector_count, 0);
    for (size_t i = 0; i < vector_count; i++) {
        const vector *one = &vectors[i];
        cr_assert(has(one->name) && has(one->about) && has(one->hex));
        cr_assert_neq(has(one->dump), has(one->error), "%s", one->name);
        cr_assert_eq(has(one->error), begins(one->name, "refuse-"), "%s",
                     one->name);
        cr_assert(has(one->value) || has(one->error), "%s", one->name);
        for (size_t j = 0; j < i; j++) {
            cr_assert_str_neq(one->name, vectors[j].name);
        }
    }
}

static void check_words(const protocol *of)
{
    load(of->path);
    for (size_t i = 0; i < vector_count; i++) {
        if (has(vectors[i].value)) {
            writer to;
            write_value(&to, vectors[i].value);
            assert_same_bytes(&vectors[i],
                              chd_bytes_of(to.out.data, to.out.size));
            msgpack_sbuffer_destroy(&to.out);
        }
    }
}

static void check_decoder(const protocol *of)
{
    load(of->path);
    for (size_t i = 0; i < vector_count; i++) {
        const vector *one = &vectors[i];
        char line[TEXT_MAX];
        char expected[TEXT_MAX + 64];
        of->dump(bytes_of(one), line, sizeof(line));
        if (has(one->dump)) {
            const chd_err err = of->walk(bytes_of(one));
            cr_assert(err == CHD_OK || err == CHD_EUNKNOWN, "%s: %s", one->name,
                      chd_err_name(err));
            cr_assert_str_eq(line, one->dump, "%s: %s", one->name, line);
        } else {
            snprintf(expected, sizeof(expected), "malformed %s (%zu bytes)",
                     one->error, one->len);
            cr_assert_str_eq(line, expected, "%s: %s", one->name, line);
            cr_assert_str_eq(chd_err_name(of->walk(bytes_of(one))), one->error);
        }
    }
}

/* Find the vector of a sample. */
static const vector *vector_of(const char *name)
{
    for (size_t i = 0; i < vector_count; i++) {
        if (strcmp(vectors[i].name, name) == 0) {
            return &vectors[i];
        }
    }
    return NULL;
}

static void check_encoder(const protocol *of)
{
    const sample_list list = of->samples();
    size_t encoded = 0;

    load(of->path);
    for (size_t i = 0; i < list.count; i++) {
        const vector *one = vector_of(list.samples[i].name);
        uint8_t buf[SAMPLE_BYTES_MAX];
        cr_assert_not_null(one, "%s has no vector", list.samples[i].name);
        assert_same_bytes(one, sample_bytes(&list.samples[i], buf));
    }
    for (size_t i = 0; i < vector_count; i++) {
        encoded += !begins(vectors[i].name, "read-") &&
                   !begins(vectors[i].name, "refuse-");
    }
    cr_assert_eq(encoded, list.count, "a vector has no sample");
}

static void check_msgpack(const protocol *of)
{
    msgpack_unpacked unpacked;

    load(of->path);
    msgpack_unpacked_init(&unpacked);
    for (size_t i = 0; i < vector_count; i++) {
        size_t used = 0;
        if (has(vectors[i].dump)) {
            cr_assert_eq(msgpack_unpack_next(&unpacked,
                                             (const char *)vectors[i].bytes,
                                             vectors[i].len, &used),
                         MSGPACK_UNPACK_SUCCESS);
            cr_assert_eq(used, vectors[i].len);
        }
    }
    msgpack_unpacked_destroy(&unpacked);
}

static void check_all(void (*check)(const protocol *of))
{
    check(&record);
    check(&mesh);
    check(&local);
}

Test(vectors, each_has_a_name_words_bytes_and_a_result)
{
    check_all(check_form);
}

Test(vectors, the_words_say_what_the_bytes_are)
{
    check_all(check_words);
}

Test(vectors, the_decoder_reads_or_refuses_them)
{
    check_all(check_decoder);
}

Test(vectors, the_encoder_writes_them)
{
    check_all(check_encoder);
}

Test(vectors, msgpack_c_reads_them)
{
    check_all(check_msgpack);
}

Test(vectors, every_type_of_both_protocols_has_one)
{
    uint64_t seen = 0;

    load(mesh.path);
    for (size_t i = 0; i < vector_count; i++) {
        seen |=
            has(vectors[i].dump) ? UINT64_C(1) << vectors[i].bytes[2] % 64 : 0;
    }
    for (int type = CHD_MESH_EVENTS; type <= CHD_MESH_TYPE_LAST; type++) {
        cr_assert_neq(seen & UINT64_C(1) << type, 0, "mesh %d", type);
    }
    seen = 0;
    load(local.path);
    for (size_t i = 0; i < vector_count; i++) {
        seen |=
            has(vectors[i].dump) ? UINT64_C(1) << vectors[i].bytes[1] % 64 : 0;
    }
    for (int type = CHD_LOCAL_HELLO; type <= CHD_LOCAL_AWAIT; type++) {
        cr_assert_neq(seen & UINT64_C(1) << type, 0, "local %d", type);
    }
    for (int type = CHD_LOCAL_WELCOME; type <= CHD_LOCAL_TYPE_LAST; type++) {
        if (type == CHD_LOCAL_REPLICATED + 1) {
            continue; /* not in use */
        }
        cr_assert_neq(seen & UINT64_C(1) << type, 0, "local %d", type);
    }
    cr_assert_neq(seen & UINT64_C(1) << CHD_LOCAL_FRESH, 0);
}
