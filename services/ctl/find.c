/* find.c - asks every running service what it can do. A system has few services and their descriptions are small, so nothing is
 * kept between calls: what is found is what runs now. */
#include "services/ctl/find.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"

enum { NAME_MAX_LEN = 200 };

/* What is looked for. `service` NULL: in all. Either `full_name` or `name` is set. */
struct wanted {
    const char *said; /* as the operator wrote it */
    const char *service, *full_name, *name;
    bool import; /* has the shape of an import */
};

/* An import's request has rows and can be tried first. */
static bool is_import(const struct schema_method *m)
{
    if (strncmp(m->name, "Import", 6) != 0)
        return false;
    const struct schema_field *rows = schema_field_by_name(m->input, "rows", 4);
    const struct schema_field *dry_run = schema_field_by_name(m->input, "dry_run", 7);
    return rows && rows->repeated && rows->kind == KIND_MESSAGE && !rows->map && dry_run &&
           !dry_run->repeated && dry_run->kind == KIND_BOOL;
}

static bool matches(const struct wanted *w, const struct schema_method *m)
{
    if (m->streaming || (w->import && !is_import(m)))
        return false;
    return w->full_name ? strcmp(w->full_name, m->full_name) == 0 : strcmp(w->name, m->name) == 0;
}

/* What the search of all services came to. */
struct search {
    size_t hits;
    struct buf services; /* those that have it, or could not be asked: for the message */
    struct buf silent;
    struct buf kinds; /* all that can be imported */
};

static void add_word(struct buf *list, const char *word)
{
    if (list->len)
        buf_append_str(list, ", ");
    buf_append_str(list, word);
}

static const char *words(struct buf *list)
{
    buf_append_byte(list, 0);
    return list->failed ? "(too many)" : (const char *)list->data;
}

static void note_kind(const struct schema_method *m, struct search *s)
{
    char kebab[NAME_MAX_LEN];
    if (is_import(m) && find_kebab(m->name + 6, kebab, sizeof(kebab)))
        add_word(&s->kinds, kebab);
}

/* The first method of a schema that is wanted, or NULL. */
static const struct schema_method *search_schema(const struct schema *schema,
                                                 const struct wanted *w, struct search *s)
{
    const struct schema_method *hit = NULL;
    size_t n;

    const struct schema_method *methods = schema_methods(schema, &n);
    for (size_t i = 0; i < n; i++) {
        note_kind(&methods[i], s);
        if (!hit && matches(w, &methods[i]))
            hit = &methods[i];
    }
    return hit;
}

/* Looks through one service; keeps it open in *ret when it is the first that has the method. */
static int search_service(struct ctl *ctl, const char *service, const struct wanted *w,
                          struct search *s, struct found *ret)
{
    struct remote r;

    int code = remote_open(ctl, service, &r);
    if (code == 0)
        code = remote_describe(ctl, &r);
    if (code != 0) {
        remote_close(&r);
        return code;
    }
    const struct schema_method *hit = search_schema(r.schema, w, s);
    if (!hit)
        hit = search_schema(r.runtime, w, s);
    if (hit) {
        s->hits++;
        add_word(&s->services, service);
    }
    if (hit && !ret->method) {
        ret->method = hit;
        ret->remote = r;
    } else {
        remote_close(&r);
    }
    return 0;
}

/* Services that do not run are no mistake as long as another one has what is wanted. */
static void search_all(struct ctl *ctl, const struct wanted *w, struct search *s, struct found *ret)
{
    char names[CTL_MAX_SERVICES][SERVICE_NAME_MAX + 1];
    size_t n = ctl_services(ctl, names);

    for (size_t i = 0; i < n; i++) {
        char *path = ctl_socket_path(ctl, names[i], "admin");
        if (!path || !ctl_socket_alive(path) || search_service(ctl, names[i], w, s, ret) != 0)
            add_word(&s->silent, names[i]);
    }
}

static int not_found(struct ctl *ctl, const struct wanted *w, struct search *s)
{
    char names[CTL_MAX_SERVICES][SERVICE_NAME_MAX + 1];

    if (ctl_services(ctl, names) == 0)
        return ctl_fail(ctl, CTL_UNREACHABLE, "no service runs in %s; fokusctl run starts a system",
                        ctl->home);
    if (s->silent.len)
        return ctl_fail(ctl, CTL_UNREACHABLE, "no service that answers has %s; silent: %s", w->said,
                        words(&s->silent));
    if (w->import)
        return ctl_fail(ctl, CTL_USAGE, "nothing imports \"%s\"; there are: %s", w->said,
                        words(&s->kinds));
    return ctl_fail(ctl, CTL_USAGE, "no service has a method %s", w->said);
}

static int find(struct ctl *ctl, const struct wanted *w, struct found *ret)
{
    struct search s = { 0, BUF_INIT(4096), BUF_INIT(4096), BUF_INIT(4096) };
    int code = 0;

    if (w->service)
        code = search_service(ctl, w->service, w, &s, ret);
    else
        search_all(ctl, w, &s, ret);
    if (code == 0 && s.hits == 0)
        code = not_found(ctl, w, &s);
    else if (s.hits > 1)
        code = ctl_fail(ctl, CTL_USAGE, "several services have %s: %s; say SERVICE.%s", w->said,
                        words(&s.services), ret->method->name);
    buf_free(&s.services);
    buf_free(&s.silent);
    buf_free(&s.kinds);
    return code;
}

int find_method(struct ctl *ctl, const char *name, struct found *ret)
{
    struct wanted w = { .said = name };
    const char *dot = strchr(name, '.');

    if (strchr(name, '/')) {
        w.full_name = *name == '/' ? name + 1 : name;
    } else if (dot) {
        w.service = arena_strndup(ctl->arena, name, (size_t)(dot - name));
        w.name = dot + 1;
        if (!w.service)
            return ctl_fail(ctl, CTL_REFUSED, "out of memory");
    } else {
        w.name = name;
    }
    return find(ctl, &w, ret);
}

bool find_pascal(const char *kind, char *ret, size_t size)
{
    size_t n = 0;
    bool up = true;

    for (; *kind; kind++) {
        if (*kind == '-' || *kind == '_') {
            up = true;
            continue;
        }
        if (!isalnum((unsigned char)*kind) || n + 1 >= size)
            return false;
        ret[n++] = up ? (char)toupper((unsigned char)*kind) : *kind;
        up = false;
    }
    ret[n] = '\0';
    return n > 0;
}

bool find_kebab(const char *pascal, char *ret, size_t size)
{
    size_t n = 0;

    for (; *pascal; pascal++) {
        if (n + 2 >= size)
            return false;
        if (isupper((unsigned char)*pascal) && n > 0)
            ret[n++] = '-';
        ret[n++] = (char)tolower((unsigned char)*pascal);
    }
    ret[n] = '\0';
    return n > 0;
}

int find_import(struct ctl *ctl, const char *kind, struct found *ret)
{
    char name[NAME_MAX_LEN] = "Import";

    struct wanted w = { .said = kind, .name = name, .import = true };
    if (!find_pascal(kind, name + 6, sizeof(name) - 6))
        w.name = ""; /* no method: the answer lists what there is */
    return find(ctl, &w, ret);
}
