#include <stdlib.h>

#include "client/cli/cli.h"

void cli_table_init(cli_table *table, size_t column_count)
{
    *table = (cli_table){.column_count = column_count};
}

/* A copy as cli_print_bytes shows it; NULL: out of memory. */
static char *printable(const char *text)
{
    char *copy = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&copy, &len);

    if (file == NULL) {
        return NULL;
    }
    cli_print_bytes(file, text, strlen(text));
    if (fclose(file) != 0) {
        free(copy);
        return NULL;
    }
    return copy;
}

void cli_table_add(cli_table *table, const char *text)
{
    if (table->cell_count == table->cell_cap) {
        table->cell_cap = table->cell_cap == 0 ? 64 : 2 * table->cell_cap;
        table->cells =
            realloc(table->cells, table->cell_cap * sizeof(table->cells[0]));
    }
    char *copy = table->cells == NULL ? NULL : printable(text);
    if (copy == NULL) {
        cli_complain("out of memory");
        exit(CLI_FAILED);
    }
    table->cells[table->cell_count++] = copy;
}

/* Characters, as far as a terminal is concerned with most names. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return width;
}

void cli_table_print(const cli_table *table, FILE *file)
{
    size_t widths[CLI_COLUMNS_MAX] = {0};
    const size_t columns = table->column_count;

    for (size_t i = 0; i < table->cell_count; i++) {
        const size_t width = width_of(table->cells[i]);
        if (width > widths[i % columns]) {
            widths[i % columns] = width;
        }
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        const bool last = i % columns == columns - 1;
        const size_t pad =
            last ? 0 : widths[i % columns] - width_of(table->cells[i]) + 2;
        fputs(table->cells[i], file);
        fprintf(file, "%*s%s", (int)pad, "", last ? "\n" : "");
    }
}

void cli_table_fini(cli_table *table)
{
    for (size_t i = 0; i < table->cell_count; i++) {
        free(table->cells[i]);
    }
    free(table->cells);
    *table = (cli_table){0};
}
