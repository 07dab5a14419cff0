/* address.c - see address.h. */
#include "services/ctl/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The port behind the last colon, or -1. */
static long port_of(const char *text, size_t *ret_host_len)
{
    const char *colon = strrchr(text, ':');
    size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;

    if (!colon || digits == 0 || digits > 5 || colon[1 + digits] != '\0')
        return -1;
    *ret_host_len = (size_t)(colon - text);
    long port = strtol(colon + 1, NULL, 10);
    return port <= 65535 ? port : -1;
}

bool address_valid(const char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
    size_t host_len;

    if (strlen(text) >= ADDRESS_MAX || port_of(text, &host_len) < 0 || host_len == 0)
        return false;
    if (text[0] == '[' && text[host_len - 1] == ']')
        return host_len > 2 && strspn(text + 1, "0123456789abcdefABCDEF:.%") == host_len - 2;
    return strspn(text, letters) == host_len;
}

bool address_beside(const char *text, char ret[ADDRESS_MAX])
{
    size_t host_len;
    long port = port_of(text, &host_len);

    if (port < 0 || port == 65535)
        return false;
    (void)snprintf(ret, ADDRESS_MAX, "127.0.0.1:%ld", port == 0 ? 0 : port + 1); /* fits */
    return true;
}

bool address_as_url(const char *text, char ret[ADDRESS_MAX + 8])
{
    char address[ADDRESS_MAX];

    if (strncmp(text, "http://", 7) == 0)
        text += 7;
    size_t len = strcspn(text, "/");
    if (len >= sizeof(address))
        return false;
    memcpy(address, text, len);
    address[len] = '\0';
    if (!address_valid(address))
        return false;
    (void)snprintf(ret, ADDRESS_MAX + 8, "http://%s", address); /* fits */
    return true;
}
