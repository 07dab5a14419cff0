/* schema_find.c - the ways into a schema: names in hash tables, numbers in tables or by halving. */
#include "common/schema_internal.h"

#include <string.h>

/* ---- names ---- */

static uint64_t hash_name(const char *text, size_t len)
{
    uint64_t head = 0, tail = 0;

    if (len >= 8) {
        memcpy(&head, text, 8);
        memcpy(&tail, text + len - 8, 8);
    } else if (len >= 4) {
        memcpy(&head, text, 4);
        memcpy(&tail, text + len - 4, 4);
    } else {
        for (size_t i = 0; i < len; i++)
            head = head << 8 | (uint8_t)text[i];
    }
    uint64_t h = (head ^ len) * 0x9e3779b97f4a7c15ull;
    h = (h ^ h >> 32 ^ tail) * 0xd6e8feb86659fd93ull;
    return h ^ h >> 32;
}

static const struct schema_name *schema_names_find(const struct schema_names *names,
                                                   const char *text, size_t len)
{
    for (size_t i = hash_name(text, len) & names->mask;; i = (i + 1) & names->mask) {
        const struct schema_name *slot = &names->slots[i];
        if (!slot->text)
            return NULL;
        if (slot->len == len && memcmp(slot->text, text, len) == 0)
            return slot;
    }
}

/* Room for `n` names; at most half of the slots fill, so that a search ends soon. */
bool schema_names_make(struct schema_names *names, struct arena *arena, size_t n)
{
    size_t slots = 4;
    while (slots < n * 2)
        slots *= 2;
    names->slots = arena_calloc(arena, slots, sizeof(struct schema_name));
    names->mask = slots - 1;
    return names->slots != NULL;
}

/* False when the name is there already. */
bool schema_names_add(struct schema_names *names, const char *text, size_t position)
{
    size_t len = strlen(text);

    if (schema_names_find(names, text, len))
        return false;
    size_t i = hash_name(text, len) & names->mask;
    while (names->slots[i].text)
        i = (i + 1) & names->mask;
    struct schema_name *slot = (struct schema_name *)&names->slots[i]; /* ours until open is done */
    *slot = (struct schema_name) { text, (uint32_t)len, (uint32_t)position };
    return true;
}

/* ---- finding ---- */

struct schema_message *schema_find(const struct schema *s, const char *full_name)
{
    size_t low = 0, high = s->n_messages;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(full_name, s->messages[middle].full_name);
        if (order == 0)
            return &s->messages[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct schema_message *schema_message(const struct schema *s, const char *full_name)
{
    return schema_find(s, full_name);
}

const struct schema_method *schema_method(const struct schema *s, const char *full_name)
{
    const struct schema_name *slot =
        schema_names_find(&s->method_names, full_name, strlen(full_name));
    return slot ? &s->methods[slot->position] : NULL;
}

const struct schema_method *schema_methods(const struct schema *s, size_t *ret_count)
{
    *ret_count = s->n_methods;
    return s->methods;
}

const struct schema_field *schema_field_by_number(const struct schema_message *m, uint32_t number)
{
    if (m->dense || m->n_fields == 0) {
        if (number >= m->n_dense || m->dense[number] == 0)
            return NULL;
        return &m->fields[m->dense[number] - 1];
    }
    size_t low = 0, high = m->n_fields;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (m->fields[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < m->n_fields && m->fields[low].number == number ? &m->fields[low] : NULL;
}

const struct schema_field *schema_field_by_name(const struct schema_message *m, const char *name,
                                                size_t len)
{
    const struct schema_name *slot = schema_names_find(&m->names, name, len);
    return slot ? &m->fields[slot->position] : NULL;
}

const struct schema_enum_value *schema_enum_by_number(const struct schema_enum *e, int32_t number)
{
    size_t low = 0, high = e->n_values;

    /* Most enums count from 0, so the number is the place. */
    if (number >= 0 && (size_t)number < high && e->by_number[number].number == number &&
        (number == 0 || e->by_number[number - 1].number != number))
        return &e->by_number[number];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (e->by_number[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < e->n_values && e->by_number[low].number == number ? &e->by_number[low] : NULL;
}

const struct schema_enum_value *schema_enum_by_name(const struct schema_enum *e, const char *name,
                                                    size_t len)
{
    size_t low = 0, high = e->n_values;

    while (low < high) {
        size_t middle = (low + high) / 2;
        const char *candidate = e->by_name[middle].name;
        int order = strncmp(name, candidate, len);
        if (order == 0 && candidate[len] != '\0')
            order = -1;
        if (order == 0)
            return &e->by_name[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
