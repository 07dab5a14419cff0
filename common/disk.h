/* disk.h - the few system calls that decide what survives a crash, for files whose every byte we place ourselves (vault,
 * master key). LMDB makes its own.
 *
 * Each is a point where a test can make it fail, or end the process just before it, or watch what would have been written.
 * 0, or a negative errno. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/macros.h"

/* All `len` bytes or none counted. -EIO: the file ends before. */
int disk_read_at(int fd, void *ret, size_t len, uint64_t at) must_check;
int disk_write_at(int fd, const void *bytes, size_t len, uint64_t at) must_check;
/* Makes room, as zeros, so that writing there later cannot fail for want of space. */
int disk_reserve(int fd, uint64_t at, uint64_t len) must_check;
/* Until it returns, nothing written is sure to be there after a power cut. Once it failed, what was written since the last
 * success is in doubt for ever: the system may report the next one as good (Rebello et al., "Can Applications Recover
 * from fsync Failures?", USENIX ATC 2020). */
int disk_sync(int fd) must_check;
/* The names in the folder that holds `path`. */
int disk_sync_folder(const char *path) must_check;
/* A new file, mode 0600, open for reading and writing. -EEXIST: never overwrites. */
int disk_make(const char *path, int *ret_fd) must_check;
/* Gives the file at `from` the name `to`, unless that exists: -EEXIST. */
int disk_name_anew(const char *from, const char *to) must_check;
/* The same, in place of whatever has the name. */
int disk_replace(const char *from, const char *to) must_check;
/* 0 also when there is no such file. */
int disk_remove(const char *path) must_check;
/* The same for a secret: its bytes are overwritten with zeros and synced first, unless it has another name besides. */
int disk_scrub(const char *path) must_check;

#ifdef FOKUS_FAULTS
/* For tests: told of each write and sync that succeeded, in order. NULL ends it. */
struct disk_watch {
    void (*wrote)(void *arg, int fd, const void *bytes, size_t len, uint64_t at);
    void (*synced)(void *arg, int fd);
    void *arg;
};
void disk_set_watch(const struct disk_watch *watch);
#endif
