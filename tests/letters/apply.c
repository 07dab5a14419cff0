/* apply.c - what the toy's events do to its tables. Never opens a seal. */
#include <errno.h>

#include "tests/letters/tables.h"

static int put_writer(struct wr *wr, Writer *writer)
{
    struct key k = KEY_INIT;

    wr_put(wr, &writers_table, key_text(&k, writer->id), writer);
    return wr_status(wr);
}

static int register_writer(struct wr *wr, const WriterRegistered *e)
{
    Writer writer = WRITER_INIT;

    if (e->broken)
        return -EIO;
    writer.id = e->writer;
    writer.address = e->address;
    writer.name = e->name;
    return put_writer(wr, &writer);
}

/* Whoever is not there cannot have moved: such an event says nothing. */
static int move_writer(struct wr *wr, const WriterMoved *e)
{
    Writer *writer;

    int r = writer_find(wr_rd(wr), e->writer, &writer);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    writer->address = e->address;
    return put_writer(wr, writer);
}

static struct key *outbox_key(struct key *k, const Letter *letter)
{
    return letter_key(key_i64(k, letter->due_ms), letter->writer, letter->id);
}

/* Puts the letter in place of what is there of it, and so into the outbox or out of it. */
static int put_letter(struct wr *wr, Letter *letter, int64_t due_ms)
{
    struct key old = KEY_INIT, new = KEY_INIT, k = KEY_INIT;

    if (letter->due_ms)
        wr_delete(wr, &outbox_table, outbox_key(&old, letter));
    letter->due_ms = due_ms;
    if (letter->due_ms)
        wr_put_bytes(wr, &outbox_table, outbox_key(&new, letter), NULL, 0);
    wr_put(wr, &letters_table, letter_key(&k, letter->writer, letter->id), letter);
    return wr_status(wr);
}

static int write_letter(struct wr *wr, const struct fact *fact, const LetterWritten *e)
{
    Letter letter = LETTER_INIT;

    letter.id = e->letter;
    letter.writer = e->writer;
    letter.text = e->text;
    letter.stamp = e->stamp;
    return put_letter(wr, &letter, fact->time_ms);
}

/* Tried once more: `due_ms` 0, it arrived. */
static int try_letter(struct wr *wr, const char *writer, const char *id, int64_t due_ms)
{
    Letter *letter;

    int r = letter_find(wr_rd(wr), writer, id, &letter);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    letter->tries++;
    return put_letter(wr, letter, due_ms);
}

static int erase_writer(struct wr *wr, const WriterErased *e)
{
    struct key k = KEY_INIT, prefix = KEY_INIT;
    struct scan s;

    wr_delete(wr, &writers_table, key_text(&k, e->writer));
    for (;;) {
        struct key at = KEY_INIT, due = KEY_INIT;
        Letter *letter;
        int r = -ENOENT;
        prefix = KEY_INIT;
        scan_prefix(&s, wr_rd(wr), &letters_table, key_text(&prefix, e->writer));
        if (scan_next(&s))
            r = scan_message(&s, &letter);
        int end = scan_end(&s);
        if (r == -ENOENT || end < 0)
            return end < 0 ? end : wr_status(wr);
        if (r < 0)
            return r;
        if (letter->due_ms)
            wr_delete(wr, &outbox_table, outbox_key(&due, letter));
        wr_delete(wr, &letters_table, letter_key(&at, letter->writer, letter->id));
    }
}

int letters_apply(struct wr *wr, const struct fact *fact, const void *event)
{
    const LettersEvent *e = event;

    switch (e->event_case) {
    case LETTERS_EVENT_WRITER_REGISTERED:
        return register_writer(wr, e->writer_registered);
    case LETTERS_EVENT_WRITER_MOVED:
        return move_writer(wr, e->writer_moved);
    case LETTERS_EVENT_WRITER_ERASED:
        return erase_writer(wr, e->writer_erased);
    case LETTERS_EVENT_LETTER_WRITTEN:
        return write_letter(wr, fact, e->letter_written);
    case LETTERS_EVENT_LETTER_POSTED:
        return try_letter(wr, e->letter_posted->writer, e->letter_posted->letter, 0);
    case LETTERS_EVENT_LETTER_LOST:
        return try_letter(wr, e->letter_lost->writer, e->letter_lost->letter,
                          e->letter_lost->due_ms);
    case LETTERS_EVENT_NOT_SET:
    case LETTERS_EVENT_SENTINEL:
        break;
    }
    return -EBADMSG;
}
