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

static int erase_writer(struct wr *wr, const WriterErased *e)
{
    struct key k = KEY_INIT;

    wr_delete(wr, &writers_table, key_text(&k, e->writer));
    return wr_status(wr);
}

int letters_apply(struct wr *wr, const struct fact *fact, const void *event)
{
    const LettersEvent *e = event;

    (void)fact; /* this toy's tables hold no times */
    switch (e->event_case) {
    case LETTERS_EVENT_WRITER_REGISTERED:
        return register_writer(wr, e->writer_registered);
    case LETTERS_EVENT_WRITER_MOVED:
        return move_writer(wr, e->writer_moved);
    case LETTERS_EVENT_WRITER_ERASED:
        return erase_writer(wr, e->writer_erased);
    case LETTERS_EVENT_NOT_SET:
    case LETTERS_EVENT_SENTINEL:
        break;
    }
    return -EBADMSG;
}
