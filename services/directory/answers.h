/* answers.h - answers to searches, kept in the memory of this process while nothing changes.
 *
 * Many people ask for the same few words, and between two changes of the directory the same words have the same answer. An answer is
 * found again by a fingerprint of the request, of the reader's language, and of the log's head and the store's last commit: after any
 * change no kept answer is found any more, and its place goes to others.
 *
 * Security: what somebody searched for says how they are. The request itself is not kept; the fingerprint is made with a key that
 * lives as long as the process. Answers to words of a crisis are not kept at all: the caller sees to that. Who is answered from here
 * is counted as everybody else (searches.h). The memory is bounded: ANSWERS_PLACES answers of at most ANSWERS_BYTES.
 *
 * All functions may be called by any thread. */
#pragma once
#include "services/directory/tables.h"

enum {
    ANSWERS_PLACES = 1024,
    ANSWERS_BYTES = 8192,         /* a longer answer is not kept */
    ANSWERS_REQUEST_BYTES = 1024, /* nor one to a longer request */
};

struct answer_key {
    uint8_t bytes[16];
};

struct kept_answer {
    struct slice packed; /* the response */
    uint64_t found;      /* what searches_count() is told, */
    bool counts;         /* if it is told */
};

/* False: the answer to this request is not to be kept. */
bool answers_key(const struct query_in *in, const ProtobufCMessage *request,
                 struct answer_key *ret) must_check;
/* A copy in the arena; it counts again a second after it last did (searches.h), which saves looking at the text. False: there is none. */
bool answers_find(const struct answer_key *key, struct arena *arena, int64_t now_ms,
                  struct kept_answer *ret) must_check;
/* Keeps a copy of an answer that has been counted, if it is short enough and there is memory for it, in place of one that was not asked
 * for so lately. */
void answers_keep(const struct answer_key *key, const struct kept_answer *answer, int64_t now_ms);
/* How many are kept. */
size_t answers_kept(void);
