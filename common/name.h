/* name.h - the short name of a service: "directory" of the package fokus.directory.v1 and the program fokus-directory. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum { SERVICE_NAME_MAX = 40 }; /* characters */

/* Whether the text can be a service's name: a-z first, then a-z, 0-9 and _, as in a package. Security: the names of sockets,
 * stores and programs are made of it, and it comes from file names and command lines; nothing that leads elsewhere passes. */
bool service_name_valid(const char *name, size_t len);
