/* main.c - the toy as a process of its own. Built twice: with NOTES_SCHEMA it is its own next release, whose tables are others. */
#include "tests/notes/tables.h"

int main(int argc, char **argv)
{
    struct service_def def = notes_service;

#ifdef NOTES_SCHEMA
    def.schema = NOTES_SCHEMA;
#endif
    return service_main(&def, argc, argv);
}
