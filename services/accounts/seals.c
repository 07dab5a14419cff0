/* seals.c - see seals.h. The key is filled anew for each value: a vault's slot is read in a microsecond. */
#include "services/accounts/seals.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "common/pack.h"
#include "common/sealed.h"

int seal_bytes(const struct sealing *s, const char *person, const struct seal_place *at,
               struct slice plain, ProtobufCBinaryData *ret)
{
    int r = vault_key(s->vault, person, s->key);
    return r < 0 ? r : sealed_bytes(s->arena, s->key, at, plain, ret);
}

int seal_text(const struct sealing *s, const char *person, const struct seal_place *at,
              const char *text, ProtobufCBinaryData *ret)
{
    return seal_bytes(s, person, at, slice_text(text), ret);
}

int seal_message(const struct sealing *s, const char *person, const struct seal_place *at,
                 const ProtobufCMessage *message, ProtobufCBinaryData *ret)
{
    struct slice plain;
    if (!pack_in(s->arena, message, SEAL_MAX_BYTES, &plain))
        return -ENOMEM;
    return seal_bytes(s, person, at, plain, ret);
}

int open_bytes(const struct sealing *s, const char *person, const struct seal_place *at,
               ProtobufCBinaryData sealed, struct slice *ret)
{
    int r = vault_key(s->vault, person, s->key);
    return r < 0 ? r : opened_bytes(s->arena, s->key, at, sealed, ret);
}

int open_message(const struct sealing *s, const char *person, const struct seal_place *at,
                 ProtobufCBinaryData sealed, const ProtobufCMessageDescriptor *type, void *ret)
{
    struct slice plain;
    int r = open_bytes(s, person, at, sealed, &plain);
    if (r < 0)
        return r;
    void *message = protobuf_c_message_unpack(type, arena_pb(s->arena), plain.len, plain.data);
    if (!message)
        return arena_failed(s->arena) ? -ENOMEM : -EBADMSG;
    memcpy(ret, &message, sizeof(message));
    return 0;
}

int open_text(const struct sealing *s, const char *person, const struct seal_place *at,
              ProtobufCBinaryData sealed, char **ret)
{
    *ret = "";
    if (sealed.len == 0)
        return 0;
    int r = vault_key(s->vault, person, s->key);
    return r < 0 ? r : opened_text(s->arena, s->key, at, sealed, ret);
}

int person_profile(const struct sealing *s, const char *person, const PersonRow *row, Profile **ret)
{
    return open_message(s, person, AT_PROFILE, row->sealed_profile, PROFILE_DESCRIPTOR, ret);
}

/* The vault's look-up is a hint: what is sealed decides. */
int person_by_address(const struct sealing *s, const struct rd *rd, const char *address,
                      char **ret_person, PersonRow **ret_row)
{
    PersonRow *row = NULL;
    Profile *profile = NULL;
    int r = vault_find(s->vault, FIND_ADDRESS, slice_text(address), s->key);
    if (r < 0)
        return r;
    char *person = arena_strdup(s->arena, seal_key_person(s->key));
    if (!person)
        return -ENOMEM;
    r = person_find(rd, person, &row);
    if (r == 0)
        r = person_profile(s, person, row, &profile);
    if (r < 0)
        return r;
    if (strcmp(profile->address, address) != 0)
        return -ENOENT;
    *ret_person = person;
    *ret_row = row;
    return 0;
}
