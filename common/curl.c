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

/* Sets an option unless one before it could not be set. */
#define SET(option, value) (code = code ? code : curl_easy_setopt(curl, option, value))

void *curl_new(const char *ca_file)
{
    CURL *curl = curl_easy_init();
    CURLcode code = curl ? CURLE_OK : CURLE_OUT_OF_MEMORY;

    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOPROXY, "*");
    /* Timeouts by signals and threads do not go together. */
    SET(CURLOPT_NOSIGNAL, 1L);
    /* Else a name server that keeps silent is waited for past the timeout. */
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    if (ca_file) {
        SET(CURLOPT_CAINFO, ca_file);
        SET(CURLOPT_CAPATH, NULL); /* else the system's folder is trusted besides */
    }
    if (!code)
        return curl;
    curl_easy_cleanup(curl);
    return NULL;
}
