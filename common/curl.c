/* curl.c - see curl.h. */
#include "common/curl.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode result = CURLE_FAILED_INIT;

static void set_up(void)
{
    result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int curl_ready(void)
{
    return pthread_once(&once, set_up) == 0 && result == CURLE_OK ? 0 : -EIO;
}
