/* pack.h - a protobuf-c message's bytes in one walk; for the paths that every command takes.
 *
 * protobuf-c walks a message twice (once for its size, once for its bytes) and each submessage once more at every level above it.
 * Here the bytes are laid down from the last to the first, so that a length is known when it is due. They are the same
 * bytes that protobuf_c_message_pack() makes. */
#pragma once
#include <protobuf-c/protobuf-c.h>

#include "common/arena.h"
#include "common/buf.h"

enum { PACK_ROOM = 8192 };

/* Packs into the end of `room`. False when the message does not fit there, or is of a kind protobuf-c must judge. */
bool pack_small(const ProtobufCMessage *message, uint8_t room[PACK_ROOM],
                struct slice *ret) must_check;

/* The same for a message of any size, whose bytes go into the arena. False without memory, or past `max` bytes. */
bool pack_in(struct arena *arena, const ProtobufCMessage *message, size_t max,
             struct slice *ret) must_check;

/* Appends the message as a field of another: tag, length, bytes. False: no room, and nothing was appended. */
bool pack_append(struct buf *out, uint32_t number, const ProtobufCMessage *message) must_check;
