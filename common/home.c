/* home.c - see home.h. */
#include "common/home.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool home_of_program(const char *program, char ret[PATH_MAX])
{
    const char *at = program + strlen(program);

    /* Past NAME, bin and PRESET. */
    for (int i = 0; i < 3; i++)
        do
            if (at-- == program)
                return false;
        while (*at != '/');
    int clone = (int)(at - program) - (int)strlen("/build");
    if (clone < 0 || strncmp(program + clone, "/build", strlen("/build")) != 0)
        return false;
    return snprintf(ret, PATH_MAX, "%.*s/var", clone, program) < PATH_MAX;
}

const char *home_default(char ret[PATH_MAX])
{
    const char *told = getenv("FOKUS_HOME");
    char program[PATH_MAX];

    if (told && told[0])
        return told;
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
    program[n > 0 ? n : 0] = '\0';
    return home_of_program(program, ret) ? ret : "./var";
}
