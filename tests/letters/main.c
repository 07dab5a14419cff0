/* main.c - the toy with personal data as a process of its own. */
#include "tests/letters/tables.h"

int main(int argc, char **argv)
{
    return service_main(&letters_service, argc, argv);
}
