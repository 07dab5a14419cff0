/* name.c - see name.h. */
#include "common/name.h"

bool service_name_valid(const char *name, size_t len)
{
    if (len == 0 || len > SERVICE_NAME_MAX || name[0] < 'a' || name[0] > 'z')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= '0' && name[i] <= '9') &&
            name[i] != '_')
            return false;
    return true;
}
