/* import.c - fokusctl import: a CSV file to whatever service imports that kind, in batches, with every mistake by row and column.
 *
 * An import method's request holds rows and dry_run; its answer holds accepted, reports (row, field, message) and counts. Each
 * batch is a command with an idempotency key, so that a lost answer does not import twice. After a batch that was refused the rest is
 * only tried: every mistake is seen at once, and nothing after the first one is stored. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/id.h"
#include "common/json.h"
#include "common/packed.h"
#include "services/ctl/csv.h"
#include "services/ctl/ctl.h"
#include "services/ctl/find.h"
#include "services/ctl/rows.h"

enum {
    BATCH_ROWS = 10000,
    BATCH_BYTES = 10 * 1024 * 1024,
    REQUEST_BYTES = 15 * 1024 * 1024,
    SHOWN_REPORTS = 100,
    MAX_COUNTS = 16,
    BAR_WIDTH = 40,
};

/* A number that the answers give, by the field's name, summed over the batches. */
struct count {
    const struct schema_field *field;
    uint64_t sum;
};

struct import {
    struct ctl *ctl;
    struct found found;
    const struct schema_field *rows_field, *dry_run_field;
    const char *kind, *file;
    bool dry_run, trying; /* trying: store nothing any more */
    struct rows_shape shape;
    struct id_source ids;
    uint64_t max_rows;
    /* the batch in hand */
    struct buf request;
    struct buf row;
    uint64_t first_row, n_rows; /* first_row: number of its first, from 1 */
    size_t bad_cells;
    /* so far */
    uint64_t rows, stored_rows, batches;
    uint64_t reports, unlisted; /* unlisted: the service counted them only */
    struct buf json_reports;
    struct count counts[MAX_COUNTS];
    size_t n_counts;
    uint64_t current_row; /* for problems found here */
    off_t file_bytes, read_bytes;
    bool bar;
    int failed; /* the exit code of what ends the import */
};

/* ---- progress and reports ---- */

static void draw_bar(const struct import *in)
{
    if (!in->bar)
        return;
    int full = (int)(in->read_bytes * BAR_WIDTH / (in->file_bytes ? in->file_bytes : 1));
    if (full > BAR_WIDTH)
        full = BAR_WIDTH;
    fprintf(stderr, "\r%-20.20s [", in->kind);
    for (int i = 0; i < BAR_WIDTH; i++)
        fputc(i < full ? '=' : ' ', stderr);
    fprintf(stderr, "] %" PRIu64 " rows ", in->rows);
}

static void clear_bar(const struct import *in)
{
    if (in->bar)
        fprintf(stderr, "\r\033[K");
}

static void report(struct import *in, uint64_t row, struct slice field, struct slice message)
{
    in->reports++;
    if (in->ctl->json) {
        struct buf *out = &in->json_reports;
        buf_printf(out, "%s{\"row\":%" PRIu64 ",\"field\":", out->len ? "," : "", row);
        json_string(out, (const char *)field.data, field.len);
        buf_append_str(out, ",\"message\":");
        json_string(out, (const char *)message.data, message.len);
        buf_append_byte(out, '}');
        return;
    }
    if (in->reports > SHOWN_REPORTS)
        return;
    clear_bar(in);
    if (field.len)
        printf("row %" PRIu64 ", %.*s: %.*s\n", row, (int)field.len, (const char *)field.data,
               (int)message.len, (const char *)message.data);
    else
        printf("row %" PRIu64 ": %.*s\n", row, (int)message.len, (const char *)message.data);
}

static struct slice text_slice(const char *text)
{
    return (struct slice) { (const uint8_t *)text, strlen(text) };
}

static void report_cell(void *arg, const char *column, const char *what)
{
    struct import *in = arg;
    report(in, in->current_row, text_slice(column), text_slice(what));
}

/* "rows[16].care_areas[0]" is row 17 of the batch, care_areas. False for another path. */
static bool report_violation(struct import *in, const struct violation *v)
{
    char *end;

    if (strncmp(v->field, "rows[", 5) != 0)
        return false;
    unsigned long long index = strtoull(v->field + 5, &end, 10);
    if (*end != ']')
        return false;
    end += end[1] == '.' ? 2 : 1;
    report(in, in->first_row + index, (struct slice) { (const uint8_t *)end, strcspn(end, "[") },
           text_slice(v->description));
    return true;
}

/* ---- one batch ---- */

static void add_count(struct import *in, const struct schema_field *f, uint64_t value)
{
    for (size_t i = 0; i < in->n_counts; i++) {
        if (in->counts[i].field == f) {
            in->counts[i].sum += value;
            return;
        }
    }
    if (in->n_counts < MAX_COUNTS)
        in->counts[in->n_counts++] = (struct count) { f, value };
}

static bool named(const struct schema_field *f, const char *name)
{
    return strcmp(f->name, name) == 0;
}

/* One report of the service: row, field, message. */
static void take_report(struct import *in, const struct schema_message *m, struct slice bytes)
{
    struct slice field = { 0 }, message = { 0 };
    struct packed_field w;
    uint64_t row = 1;

    while (packed_take(&bytes, &w) > 0) {
        const struct schema_field *f = schema_field_by_number(m, w.number);
        if (!f)
            continue;
        if (named(f, "row"))
            row = w.value;
        else if (named(f, "field") && w.type == PACKED_LEN)
            field = packed_bytes(&w);
        else if (named(f, "message") && w.type == PACKED_LEN)
            message = packed_bytes(&w);
    }
    report(in, in->first_row + row - 1, field, message);
}

/* Reads the answer by the names of its fields. Returns whether the batch was accepted. */
static bool take_answer(struct import *in, struct slice body)
{
    const struct schema_message *m = in->found.method->output;
    struct packed_field w;
    bool accepted = false;

    while (packed_take(&body, &w) > 0) {
        const struct schema_field *f = schema_field_by_number(m, w.number);
        if (!f)
            continue;
        if (named(f, "accepted"))
            accepted = w.value != 0;
        else if (named(f, "reports") && f->message && w.type == PACKED_LEN)
            take_report(in, f->message, packed_bytes(&w));
        else if (named(f, "reports_dropped"))
            in->unlisted += w.value;
        else if (w.type == PACKED_VARINT && f->kind != KIND_BOOL && f->kind != KIND_ENUM)
            add_count(in, f, w.value);
    }
    return accepted;
}

static void begin_batch(struct import *in)
{
    buf_clear(&in->request);
    in->first_row += in->n_rows;
    in->n_rows = 0;
    in->bad_cells = 0;
}

static bool call_batch(struct import *in)
{
    char key[ID_CHARS + 1];
    struct client_reply reply;
    bool try_only = in->dry_run || in->trying;

    if (try_only) {
        packed_append_tag(&in->request, in->dry_run_field->number, PACKED_VARINT);
        packed_append_varint(&in->request, 1);
    }
    if (in->request.failed) {
        in->failed = ctl_fail(in->ctl, CTL_REFUSED, "out of memory");
        return false;
    }
    id_next(&in->ids, wall_ms(), key);
    remote_call(in->ctl, &in->found.remote,
                &(struct client_call) { .method = in->found.method->full_name,
                                        .body = { in->request.data, in->request.len },
                                        .timeout_ms = CTL_LONG_MS,
                                        .idempotency_key = key },
                &reply);
    if (reply.code == CODE_OK)
        return take_answer(in, reply.body);
    bool all_rows = reply.n_violations > 0;
    for (size_t i = 0; i < reply.n_violations; i++)
        all_rows = report_violation(in, &reply.violations[i]) && all_rows;
    if (!all_rows) {
        clear_bar(in);
        in->failed = ctl_refused(in->ctl, in->found.remote.name, &reply);
    }
    return false;
}

/* Sends what was gathered. A batch with cells that are no values is not sent: they were reported. */
static void send_batch(struct import *in)
{
    bool try_only = in->dry_run || in->trying;

    if (in->failed)
        return;
    bool accepted = in->bad_cells == 0 && call_batch(in);
    in->batches++;
    if (!accepted)
        in->trying = true;
    else if (!try_only)
        in->stored_rows += in->n_rows;
    begin_batch(in);
    draw_bar(in);
}

static int take_row(void *arg, uint64_t row, const struct slice *cells, size_t n_cells,
                    struct err *err)
{
    struct import *in = arg;

    if (row == 0)
        return rows_heading(&in->shape, in->rows_field->message, cells, n_cells, err);
    in->current_row = row;
    buf_clear(&in->row);
    in->bad_cells += rows_pack(&in->shape, cells, &in->row, report_cell, in);
    if (in->n_rows == in->max_rows || in->request.len + in->row.len > BATCH_BYTES)
        send_batch(in);
    packed_append_bytes(&in->request, in->rows_field->number, in->row.data, in->row.len);
    in->n_rows++;
    in->rows++;
    return in->failed || in->row.failed ? -ECANCELED : 0;
}

/* ---- the file ---- */

static int read_file(struct import *in, int fd)
{
    static uint8_t bytes[64 * 1024];
    struct err err = { "" };
    struct csv_reader *csv = csv_reader_new(take_row, in);
    ssize_t n = csv ? 1 : 0;
    int r = csv ? 0 : -ENOMEM;

    while (r == 0 && n > 0) {
        n = read(fd, bytes, sizeof(bytes));
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n < 0)
            r = err_set(&err, errno, "cannot be read: %s", strerror(errno));
        else if (n > 0)
            r = csv_reader_feed(csv, bytes, (size_t)n, &err);
        in->read_bytes += n > 0 ? n : 0;
        draw_bar(in);
    }
    if (r == 0)
        r = csv_reader_end(csv, &err);
    csv_reader_free(csv);
    if (r == 0 && in->n_rows)
        send_batch(in);
    clear_bar(in);
    if (in->failed)
        return in->failed;
    return r == 0 ? 0
                  : ctl_fail(in->ctl, CTL_REFUSED, "%s: %s", in->file,
                             *err.text ? err.text : strerror(-r));
}

static void print_counts_as_json(const struct import *in, struct buf *out)
{
    for (size_t i = 0; i < in->n_counts; i++)
        buf_printf(out, "%s\"%s\":%" PRIu64, i ? "," : "", in->counts[i].field->name,
                   in->counts[i].sum);
}

static int print_json(struct import *in, bool accepted)
{
    struct buf out = BUF_INIT(64 * 1024 * 1024);

    buf_append_str(&out, "{\"kind\":");
    json_string(&out, in->kind, strlen(in->kind));
    buf_append_str(&out, ",\"file\":");
    json_string(&out, in->file, strlen(in->file));
    buf_printf(&out,
               ",\"rows\":%" PRIu64 ",\"stored_rows\":%" PRIu64 ",\"dry_run\":%s,\"accepted\":%s"
               ",\"counts\":{",
               in->rows, in->stored_rows, in->dry_run ? "true" : "false",
               accepted ? "true" : "false");
    print_counts_as_json(in, &out);
    buf_append_str(&out, "},\"reports\":[");
    buf_append(&out, in->json_reports.data, in->json_reports.len);
    buf_printf(&out, "],\"reports_unlisted\":%" PRIu64 "}", in->unlisted);
    int code = ctl_print_json(in->ctl, &out);
    buf_free(&out);
    return code;
}

static void print_summary(const struct import *in, bool accepted)
{
    uint64_t more = in->unlisted + (in->reports > SHOWN_REPORTS ? in->reports - SHOWN_REPORTS : 0);

    if (more)
        printf("... and %" PRIu64 " more mistakes\n", more);
    printf("%s: %" PRIu64 " rows, ", in->kind, in->rows);
    if (accepted)
        printf("%s%s%s", ctl_green(in->ctl),
               in->dry_run ? "all right (dry run: nothing stored)" : "imported",
               ctl_plain(in->ctl));
    else
        printf("%s%" PRIu64 " mistakes%s, %" PRIu64 " rows stored", ctl_red(in->ctl),
               in->reports + in->unlisted, ctl_plain(in->ctl), in->stored_rows);
    const char *before = " (";
    for (size_t i = 0; accepted && i < in->n_counts; i++) {
        printf("%s%" PRIu64 " %s", before, in->counts[i].sum, in->counts[i].field->name);
        before = ", ";
    }
    printf("%s\n", accepted && in->n_counts ? ")" : "");
}

static int import_file(struct import *in, int fd)
{
    struct stat st;

    in->rows_field = schema_field_by_name(in->found.method->input, "rows", 4);
    in->dry_run_field = schema_field_by_name(in->found.method->input, "dry_run", 7);
    in->max_rows =
        in->rows_field->rules.max_items < BATCH_ROWS ? in->rows_field->rules.max_items : BATCH_ROWS;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        in->file_bytes = st.st_size;
    in->bar = in->file_bytes > 0 && !in->ctl->json && isatty(STDERR_FILENO);
    int code = read_file(in, fd);
    if (code != 0 && in->rows == 0)
        return code;
    /* What ends an import undoes nothing of the batches before it. */
    bool accepted = code == 0 && !in->trying;
    int told = CTL_OK;
    if (in->ctl->json)
        told = print_json(in, accepted);
    else
        print_summary(in, accepted);
    if (code != 0)
        return code;
    return told != CTL_OK ? told : accepted ? CTL_OK : CTL_REFUSED;
}

int ctl_import(struct ctl *ctl, int argc, char **argv)
{
    static const char *const options[] = { "--dry-run", NULL };
    const char *values[1] = { NULL };

    argc = ctl_options(ctl, argc, argv, options, values);
    if (argc < 0)
        return CTL_USAGE;
    if (argc != 3)
        return ctl_usage(ctl, "import", "import takes a kind and a file");
    bool from_stdin = strcmp(argv[2], "-") == 0;
    int fd = from_stdin ? STDIN_FILENO : open(argv[2], O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ctl_fail(ctl, CTL_USAGE, "cannot open %s: %s", argv[2], strerror(errno));
    struct import in = {
        .ctl = ctl,
        .kind = argv[1],
        .file = argv[2],
        .dry_run = values[0] != NULL,
        .request = BUF_INIT(REQUEST_BYTES),
        .row = BUF_INIT(2 * CSV_MAX_ROW),
        .json_reports = BUF_INIT(32 * 1024 * 1024),
        .first_row = 1,
    };
    int code = find_import(ctl, argv[1], &in.found);
    if (code == 0)
        code = import_file(&in, fd);
    remote_close(&in.found.remote);
    buf_free(&in.request);
    buf_free(&in.row);
    buf_free(&in.json_reports);
    if (!from_stdin)
        close(fd);
    return code;
}
