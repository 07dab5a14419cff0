/* curl.h - libcurl set up, once a process, for every module that speaks HTTP or SMTP to the outside.
 *
 * curl_global_init() is not safe beside other threads that use libcurl; here it is. Each module then has handles of its own, each
 * used by one thread at a time. What all of them must keep to is set here, once. */
#pragma once

#include "common/macros.h"

/* Any thread, any number of times, before the first handle is made. 0, or -EIO: libcurl cannot be set up. Never undone: what libcurl
 * holds lives as long as the process. */
int curl_ready(void) must_check;

/* A handle (a CURL *) after curl_ready(); NULL without memory. It asks no proxy, whatever the environment says, speaks TLS 1.2 or later to
 * whom the certificates in `ca_file` (PEM; NULL: the system's) vouch for, and ends by its time limit, even when a name server
 * keeps silent. */
void *curl_new(const char *ca_file) must_check;
