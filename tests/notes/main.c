/* main.c - the toy as a process of its own. */
#include "tests/notes/tables.h"

int main(int argc, char **argv)
{
    return service_main(&notes_service, argc, argv);
}
