/* sealed.h - personal fields of messages: a text or bytes sealed into the call's arena and opened again, as bytes fields hold them.
 *
 *     int r = sealed_text(in->arena, in->key, &PLACE_EMAIL, req->email, &added->email);
 *     int r = opened_text(in->arena, in->key, &PLACE_EMAIL, account->email, &res->email);
 *
 * The key is filled first, with vault_key() or vault_find(); each service declares its places once, beside its tables (seal.h says
 * what a place is). `decide` seals, `query` opens. All return 0, -ENOMEM past the arena's cap, or what seal.h says of
 * seal_close() and seal_open(). */
#pragma once
#include <protobuf-c/protobuf-c.h>

#include "common/arena.h"
#include "common/seal.h"

int sealed_text(struct arena *arena, const struct seal_key *key, const struct seal_place *at,
                const char *text, ProtobufCBinaryData *ret) must_check;
int sealed_bytes(struct arena *arena, const struct seal_key *key, const struct seal_place *at,
                 struct slice bytes, ProtobufCBinaryData *ret) must_check;
/* -EBADMSG also for a text that holds a NUL. */
int opened_text(struct arena *arena, const struct seal_key *key, const struct seal_place *at,
                ProtobufCBinaryData sealed, char **ret) must_check;
int opened_bytes(struct arena *arena, const struct seal_key *key, const struct seal_place *at,
                 ProtobufCBinaryData sealed, struct slice *ret) must_check;
