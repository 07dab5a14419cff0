/* find.h - which running service has the method that the operator means. */
#pragma once
#include "services/ctl/ctl.h"

/* A service, open and described, and one of its methods. */
struct found {
    struct remote remote;
    const struct schema_method *method;
};

/* Finds "directory.GetOrganisation", "fokus.directory.v1.DirectoryService/GetOrganisation", or "GetOrganisation" when one service has
 * it. 0, or the exit code with the reason said. remote_close(&ret->remote) is due in any case. */
int find_method(struct ctl *ctl, const char *name, struct found *ret);

/* Calls the method that find_method() finds with a request in JSON, and shows the answer. 0, or the exit code with the reason said. */
int call_named(struct ctl *ctl, const char *method, const struct buf *json, uint32_t timeout_ms,
               const char *key);

/* Finds the method that imports a kind: "care-areas", "care_areas" and "CareAreas" are ImportCareAreas. When there is none, says which
 * kinds there are. */
int find_import(struct ctl *ctl, const char *kind, struct found *ret);

/* "care-areas" as "CareAreas"; false when it is no such name or does not fit. */
bool find_pascal(const char *kind, char *ret, size_t size);
/* "CareAreas" as "care-areas"; false when it does not fit. */
bool find_kebab(const char *pascal, char *ret, size_t size);
