/* main.c - the directory (katalogen) as a process. */
#include "services/directory/tables.h"

int main(int argc, char **argv)
{
    return service_main(&directory_service, argc, argv);
}
