/* consents.h - what the files about consents share. */
#pragma once
#include "services/accounts/seals.h"

void consent_text_key(const char *purpose, uint32_t version, struct key *ret);
/* The newest version of a text. -ENOENT: there is no such text. */
int consent_newest(const struct rd *rd, const char *purpose, uint32_t *ret) must_check;
/* Under which a consent is found by a service that knows the person by this id. 0 or -ENOMEM. */
int consent_check_hash(const struct sealing *s, const char *service, const char *person,
                       const char *purpose, ProtobufCBinaryData *ret) must_check;
