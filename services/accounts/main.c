/* main.c - accounts (konton) as a process. */
#include "services/accounts/tables.h"

int main(int argc, char **argv)
{
    return service_main(&accounts_service, argc, argv);
}
