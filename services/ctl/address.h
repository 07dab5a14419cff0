/* address.h - addresses to listen on: "127.0.0.1:8080", "[::1]:8080", "localhost:0". */
#pragma once
#include <stdbool.h>

enum { ADDRESS_MAX = 280 };

/* A host and a port from 0 to 65535. */
bool address_valid(const char *text);
/* The loopback address on the next port; port 0 stays 0. False when there is no next port. */
bool address_beside(const char *text, char ret[ADDRESS_MAX]);
/* What the gateway said of an address, "127.0.0.1:8080" or "http://127.0.0.1:8080", as "http://...". False when it is none. */
bool address_as_url(const char *text, char ret[ADDRESS_MAX + 8]);
