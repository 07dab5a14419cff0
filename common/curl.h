/* curl.h - libcurl set up, once a process, for every module that speaks HTTP or SMTP to the outside.
 *
 * curl_global_init() is not safe beside other threads that use libcurl; here it is. Each module then has handles of its own, each
 * used by one thread at a time, with CURLOPT_NOSIGNAL set (timeouts by signals and threads do not go together). */
#pragma once

#include "common/macros.h"

/* Any thread, any number of times, before the first handle is made. 0, or -EIO: libcurl cannot be set up. Never undone: what libcurl
 * holds lives as long as the process. */
int curl_ready(void) must_check;
