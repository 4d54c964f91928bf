/* SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors */
/* SPDX-License-Identifier: MIT */
/* Stands between a process and the C library, for what changes files below one folder: preload it with LD_PRELOAD.

Every change is an event with a number. At one of them the process is killed, or killed in the middle of a write, or
told an error, once or from then on. Events can be recorded with the bytes that were written, for a replay.

`library.py` builds it, and says what the numbers below mean. Arm it with `fault_arm` in the process itself, or with the
variables FAULT_FOLDER, FAULT_AT, FAULT_ACTION, FAULT_ERROR and FAULT_LASTING before the process starts.

What it cannot see: stores through a shared mapping, io_uring, system calls that a program makes without the C library,
and those that the C library makes within itself (fopen, fwrite, mkstemp). Reading is not an event. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { OPEN, WRITE, TRUNCATE, RENAME, LINK, SYMLINK, UNLINK, MKDIR, RMDIR, SYNC, ATTRIBUTES, CLOSE, MARK };
enum { COUNT, KILL, TEAR, FAIL, SHORT };
enum { CREATED = 1, TRUNCATED = 2, APPENDED = 4, NAMELESS = 8, ALLOCATED = 16 };

struct record {
    uint32_t operation, flags;
    int64_t number, inode, offset, length, result;
    uint32_t path_bytes, other_bytes;
    uint64_t data_bytes;
};

static char folder[PATH_MAX];
static size_t folder_bytes; /* 0 when nothing is counted */
static long number, chosen;
static int action, error_number, log_descriptor = -1;
static unsigned lasting; /* a bit per operation that fails after the chosen event */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long (*libc_syscall)(long, ...);

static long sys(long call, long a, long b, long c, long d, long e, long f) {
    if (!libc_syscall)
        *(void **)&libc_syscall = dlsym(RTLD_NEXT, "syscall");
    return libc_syscall(call, a, b, c, d, e, f);
}
#define SYS1(call, a) sys(call, (long)(a), 0, 0, 0, 0, 0)
#define SYS2(call, a, b) sys(call, (long)(a), (long)(b), 0, 0, 0, 0)
#define SYS3(call, a, b, c) sys(call, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define SYS4(call, a, b, c, d) sys(call, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define SYS5(call, a, b, c, d, e) sys(call, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

/* Paths */

static int is_inside(const char *path) {
    return folder_bytes && !strncmp(path, folder, folder_bytes) &&
           (path[folder_bytes] == '/' || path[folder_bytes] == 0);
}

static int path_of(int descriptor, char *out) {
    char link[48];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t bytes = readlink(link, out, PATH_MAX - 1);
    out[bytes < 0 ? 0 : bytes] = 0;
    return bytes > 0;
}

static int resolve(int base, const char *path, char *out) {
    if (path[0] == '/')
        return snprintf(out, PATH_MAX, "%s", path) < PATH_MAX;
    char start[PATH_MAX];
    if (base == AT_FDCWD ? !getcwd(start, sizeof start) : !path_of(base, start))
        return 0;
    return snprintf(out, PATH_MAX, "%.*s/%s", PATH_MAX / 2, start, path) < PATH_MAX;
}

/* Events */

static void put(const void *bytes, size_t count) {
    const char *at = bytes;
    while (count) {
        long done = SYS3(SYS_write, log_descriptor, at, count);
        if (done <= 0)
            return;
        at += done, count -= done;
    }
}

static void record(struct record *event, const char *path, const char *other, const void *data) {
    if (log_descriptor < 0)
        return;
    int saved = errno;
    event->path_bytes = strlen(path);
    event->other_bytes = other ? strlen(other) : 0;
    put(event, sizeof *event);
    put(path, event->path_bytes);
    if (other)
        put(other, event->other_bytes);
    if (data)
        put(data, event->data_bytes);
    errno = saved;
}

static void die(void) {
    SYS2(SYS_kill, getpid(), SIGKILL);
    for (;;)
        pause();
}

/* What happens to the event that begins now: COUNT lets it pass. */
static int next_event(int operation) {
    number++;
    if (number == chosen) {
        if (action == KILL || (action == TEAR && operation != WRITE))
            die();
        if (action == SHORT && operation != WRITE)
            return FAIL;
        return action;
    }
    if (chosen && number > chosen && (action == FAIL || action == SHORT) && (lasting >> operation & 1))
        return FAIL;
    return COUNT;
}

static int refuse(void) {
    pthread_mutex_unlock(&mutex);
    errno = error_number;
    return -1;
}

static int64_t inode_of(int descriptor) {
    struct stat found;
    return fstat(descriptor, &found) ? 0 : (int64_t)found.st_ino;
}

static int64_t inode_at(const char *path) {
    struct stat found;
    return lstat(path, &found) ? 0 : (int64_t)found.st_ino;
}

static void done(struct record *event, long result, const char *path, const char *other) {
    int saved = errno;
    event->number = number;
    event->result = result < 0 ? -saved : result;
    record(event, path, other, NULL);
    pthread_mutex_unlock(&mutex);
    errno = saved;
}

/* Opening */

static int open_at(int base, const char *path, int flags, mode_t mode) {
    char full[PATH_MAX];
    int changes = (flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC);
    if (!folder_bytes || !changes || !path || !resolve(base, path, full) || !is_inside(full))
        return SYS4(SYS_openat, base, path, flags, mode);
    pthread_mutex_lock(&mutex);
    if (next_event(OPEN) == FAIL)
        return refuse();
    struct stat before;
    int is_new = stat(full, &before) != 0;
    int descriptor = SYS4(SYS_openat, base, path, flags, mode);
    struct record event = {OPEN};
    if (descriptor >= 0) {
        int nameless = (flags & O_TMPFILE) == O_TMPFILE;
        event.flags = nameless ? CREATED | NAMELESS : is_new ? CREATED : flags & O_TRUNC ? TRUNCATED : 0;
        event.inode = inode_of(descriptor);
    }
    done(&event, descriptor, full, NULL);
    return descriptor;
}

#define MODE(flags)                                                                                                    \
    mode_t mode = 0;                                                                                                   \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                             \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode = va_arg(more, int);                                                                                      \
        va_end(more);                                                                                                  \
    }

int open(const char *path, int flags, ...) {
    MODE(flags)
    return open_at(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE(flags)
    return open_at(AT_FDCWD, path, flags, mode);
}
int openat(int base, const char *path, int flags, ...) {
    MODE(flags)
    return open_at(base, path, flags, mode);
}
int openat64(int base, const char *path, int flags, ...) {
    MODE(flags)
    return open_at(base, path, flags, mode);
}
int creat(const char *path, mode_t mode) { return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int __open_2(const char *path, int flags) { return open_at(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return open_at(AT_FDCWD, path, flags, 0); }
int __openat_2(int base, const char *path, int flags) { return open_at(base, path, flags, 0); }
int __openat64_2(int base, const char *path, int flags) { return open_at(base, path, flags, 0); }

/* Content */

/* `at` is the position of the write; -1 for the position of the descriptor. */
static ssize_t write_at(int descriptor, const void *bytes, size_t count, off_t at) {
    char path[PATH_MAX];
    if (!folder_bytes || !path_of(descriptor, path) || !is_inside(path))
        return at < 0 ? SYS3(SYS_write, descriptor, bytes, count) : SYS4(SYS_pwrite64, descriptor, bytes, count, at);
    pthread_mutex_lock(&mutex);
    int what = next_event(WRITE);
    if (what == FAIL || (what == SHORT && count < 2))
        return refuse();
    size_t written = what == TEAR || what == SHORT ? count / 2 : count;
    struct record event = {WRITE};
    if (log_descriptor >= 0) {
        struct stat found;
        int is_appended = at < 0 && fcntl(descriptor, F_GETFL) & O_APPEND;
        event.inode = inode_of(descriptor);
        event.offset = at >= 0 ? at : is_appended && !fstat(descriptor, &found) ? found.st_size
                                                                                : lseek(descriptor, 0, SEEK_CUR);
    }
    ssize_t result =
        at < 0 ? SYS3(SYS_write, descriptor, bytes, written) : SYS4(SYS_pwrite64, descriptor, bytes, written, at);
    if (what == TEAR)
        die();
    int saved = errno;
    event.number = number;
    event.result = result < 0 ? -saved : result;
    event.length = event.data_bytes = result > 0 ? result : 0;
    record(&event, path, NULL, bytes);
    pthread_mutex_unlock(&mutex);
    errno = saved;
    return result;
}

ssize_t write(int descriptor, const void *bytes, size_t count) { return write_at(descriptor, bytes, count, -1); }
ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t at) {
    return write_at(descriptor, bytes, count, at);
}
ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off_t at) {
    return write_at(descriptor, bytes, count, at);
}

/* Gathered into one buffer, so that a tear may fall between two pieces. */
static ssize_t gather_at(int descriptor, const struct iovec *pieces, int count, off_t at) {
    size_t total = 0;
    for (int each = 0; each < count; each++)
        total += pieces[each].iov_len;
    char *buffer = malloc(total ? total : 1), *end = buffer;
    if (!buffer) {
        errno = ENOMEM;
        return -1;
    }
    for (int each = 0; each < count; each++) {
        memcpy(end, pieces[each].iov_base, pieces[each].iov_len);
        end += pieces[each].iov_len;
    }
    ssize_t result = write_at(descriptor, buffer, total, at);
    int saved = errno;
    free(buffer);
    errno = saved;
    return result;
}

static int is_counted(int descriptor) {
    char path[PATH_MAX];
    return folder_bytes && path_of(descriptor, path) && is_inside(path);
}

ssize_t writev(int descriptor, const struct iovec *pieces, int count) {
    return is_counted(descriptor) ? gather_at(descriptor, pieces, count, -1)
                                  : SYS3(SYS_writev, descriptor, pieces, count);
}
ssize_t pwritev(int descriptor, const struct iovec *pieces, int count, off_t at) {
    return is_counted(descriptor) ? gather_at(descriptor, pieces, count, at)
                                  : SYS5(SYS_pwritev, descriptor, pieces, count, at, 0);
}
ssize_t pwritev64(int descriptor, const struct iovec *pieces, int count, off_t at) {
    return pwritev(descriptor, pieces, count, at);
}
ssize_t pwritev2(int descriptor, const struct iovec *pieces, int count, off_t at, int flags) {
    return is_counted(descriptor) ? gather_at(descriptor, pieces, count, at)
                                  : sys(SYS_pwritev2, descriptor, (long)pieces, count, at, 0, flags);
}
ssize_t pwritev64v2(int descriptor, const struct iovec *pieces, int count, off_t at, int flags) {
    return pwritev2(descriptor, pieces, count, at, flags);
}

/* A copy within the kernel becomes one through a buffer: a caller must accept a short one anyway. */
static ssize_t copy(int from, off_t *from_at, int to, off_t *to_at, size_t count) {
    static const size_t most = 1 << 20;
    char *buffer = malloc(most);
    if (!buffer) {
        errno = ENOMEM;
        return -1;
    }
    size_t wanted = count < most ? count : most;
    ssize_t result = from_at ? SYS4(SYS_pread64, from, buffer, wanted, *from_at) : SYS3(SYS_read, from, buffer, wanted);
    if (result > 0) {
        ssize_t got = result;
        result = write_at(to, buffer, got, to_at ? *to_at : -1);
        if (from_at)
            *from_at += result > 0 ? result : 0;
        else if (result < got)
            lseek(from, (result > 0 ? result : 0) - got, SEEK_CUR);
        if (to_at && result > 0)
            *to_at += result;
    }
    int saved = errno;
    free(buffer);
    errno = saved;
    return result;
}

ssize_t copy_file_range(int from, off_t *from_at, int to, off_t *to_at, size_t count, unsigned flags) {
    return is_counted(to) ? copy(from, from_at, to, to_at, count)
                          : sys(SYS_copy_file_range, from, (long)from_at, to, (long)to_at, count, flags);
}
ssize_t sendfile(int to, int from, off_t *from_at, size_t count) {
    return is_counted(to) ? copy(from, from_at, to, NULL, count) : SYS4(SYS_sendfile, to, from, from_at, count);
}
ssize_t sendfile64(int to, int from, off_t *from_at, size_t count) { return sendfile(to, from, from_at, count); }

static int truncate_at(int descriptor, off_t length) {
    char path[PATH_MAX];
    if (!folder_bytes || !path_of(descriptor, path) || !is_inside(path))
        return SYS2(SYS_ftruncate, descriptor, length);
    pthread_mutex_lock(&mutex);
    if (next_event(TRUNCATE) == FAIL)
        return refuse();
    struct record event = {TRUNCATE, .inode = inode_of(descriptor), .length = length};
    int result = SYS2(SYS_ftruncate, descriptor, length);
    done(&event, result, path, NULL);
    return result;
}
int ftruncate(int descriptor, off_t length) { return truncate_at(descriptor, length); }
int ftruncate64(int descriptor, off_t length) { return truncate_at(descriptor, length); }
int truncate(const char *path, off_t length) {
    int descriptor = SYS4(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
    if (descriptor < 0)
        return -1;
    int result = truncate_at(descriptor, length), saved = errno;
    SYS1(SYS_close, descriptor);
    errno = saved;
    return result;
}
int truncate64(const char *path, off_t length) { return truncate(path, length); }

static int allocate(int descriptor, int mode, off_t at, off_t length) {
    char path[PATH_MAX];
    if (!folder_bytes || !path_of(descriptor, path) || !is_inside(path))
        return SYS4(SYS_fallocate, descriptor, mode, at, length);
    pthread_mutex_lock(&mutex);
    if (next_event(TRUNCATE) == FAIL)
        return refuse();
    struct record event = {TRUNCATE, ALLOCATED, .inode = inode_of(descriptor), .offset = at, .length = at + length};
    int result = SYS4(SYS_fallocate, descriptor, mode, at, length);
    done(&event, result, path, NULL);
    return result;
}
int fallocate(int descriptor, int mode, off_t at, off_t length) { return allocate(descriptor, mode, at, length); }
int fallocate64(int descriptor, int mode, off_t at, off_t length) { return allocate(descriptor, mode, at, length); }
int posix_fallocate(int descriptor, off_t at, off_t length) {
    return allocate(descriptor, 0, at, length) ? errno : 0;
}
int posix_fallocate64(int descriptor, off_t at, off_t length) { return posix_fallocate(descriptor, at, length); }

static int sync_of(int descriptor, long call) {
    char path[PATH_MAX];
    if (!folder_bytes || !path_of(descriptor, path) || !is_inside(path))
        return SYS1(call, descriptor);
    pthread_mutex_lock(&mutex);
    if (next_event(SYNC) == FAIL)
        return refuse();
    struct record event = {SYNC, .inode = inode_of(descriptor)};
    /* The disk itself need not be waited for. */
    done(&event, 0, path, NULL);
    return 0;
}
int fsync(int descriptor) { return sync_of(descriptor, SYS_fsync); }
int fdatasync(int descriptor) { return sync_of(descriptor, SYS_fdatasync); }
int sync_file_range(int descriptor, off_t at, off_t length, unsigned flags) {
    /* Gives no promise: it is passed on and is no event. */
    return SYS4(SYS_sync_file_range, descriptor, at, length, flags);
}

/* A file that was opened to be read has nothing to lose. */
int close(int descriptor) {
    char path[PATH_MAX];
    if (!folder_bytes || (fcntl(descriptor, F_GETFL) & O_ACCMODE) == O_RDONLY || !path_of(descriptor, path) ||
        !is_inside(path))
        return SYS1(SYS_close, descriptor);
    pthread_mutex_lock(&mutex);
    struct record event = {CLOSE, .inode = inode_of(descriptor)};
    int what = next_event(CLOSE);
    int result = SYS1(SYS_close, descriptor);
    if (what == FAIL)
        return refuse();
    done(&event, result, path, NULL);
    return result;
}

/* Names */

static int rename_at(int base, const char *path, int other_base, const char *other, unsigned flags) {
    char full[PATH_MAX], target[PATH_MAX];
    if (!folder_bytes || !resolve(base, path, full) || !resolve(other_base, other, target) ||
        (!is_inside(full) && !is_inside(target)))
        return SYS5(SYS_renameat2, base, path, other_base, other, flags);
    pthread_mutex_lock(&mutex);
    if (next_event(RENAME) == FAIL)
        return refuse();
    struct record event = {RENAME, flags, .inode = inode_at(full)};
    int result = SYS5(SYS_renameat2, base, path, other_base, other, flags);
    done(&event, result, full, target);
    return result;
}
int rename(const char *path, const char *other) { return rename_at(AT_FDCWD, path, AT_FDCWD, other, 0); }
int renameat(int base, const char *path, int other_base, const char *other) {
    return rename_at(base, path, other_base, other, 0);
}
int renameat2(int base, const char *path, int other_base, const char *other, unsigned flags) {
    return rename_at(base, path, other_base, other, flags);
}

static int link_at(int base, const char *path, int other_base, const char *other, int flags) {
    char full[PATH_MAX], target[PATH_MAX];
    if (!folder_bytes || !resolve(base, path, full) || !resolve(other_base, other, target) || !is_inside(target))
        return SYS5(SYS_linkat, base, path, other_base, other, flags);
    pthread_mutex_lock(&mutex);
    if (next_event(LINK) == FAIL)
        return refuse();
    int result = SYS5(SYS_linkat, base, path, other_base, other, flags);
    struct record event = {LINK, .inode = inode_at(target)};
    done(&event, result, full, target);
    return result;
}
int link(const char *path, const char *other) { return link_at(AT_FDCWD, path, AT_FDCWD, other, 0); }
int linkat(int base, const char *path, int other_base, const char *other, int flags) {
    return link_at(base, path, other_base, other, flags);
}

/* Changes of one name. */
static int name_at(int operation, long call, int base, const char *path, long argument) {
    char full[PATH_MAX];
    if (!folder_bytes || !path || !resolve(base, path, full) || !is_inside(full))
        return SYS3(call, base, path, argument);
    pthread_mutex_lock(&mutex);
    if (next_event(operation) == FAIL)
        return refuse();
    int result = SYS3(call, base, path, argument);
    struct record event = {operation, .inode = operation == MKDIR ? inode_at(full) : 0};
    done(&event, result, full, NULL);
    return result;
}
int unlink(const char *path) { return name_at(UNLINK, SYS_unlinkat, AT_FDCWD, path, 0); }
int rmdir(const char *path) { return name_at(RMDIR, SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR); }
int unlinkat(int base, const char *path, int flags) {
    return name_at(flags & AT_REMOVEDIR ? RMDIR : UNLINK, SYS_unlinkat, base, path, flags);
}
int remove(const char *path) {
    struct stat found;
    return !lstat(path, &found) && S_ISDIR(found.st_mode) ? rmdir(path) : unlink(path);
}
int mkdir(const char *path, mode_t mode) { return name_at(MKDIR, SYS_mkdirat, AT_FDCWD, path, mode); }
int mkdirat(int base, const char *path, mode_t mode) { return name_at(MKDIR, SYS_mkdirat, base, path, mode); }

static int symlink_at(const char *target, int base, const char *path) {
    char full[PATH_MAX];
    if (!folder_bytes || !resolve(base, path, full) || !is_inside(full))
        return SYS3(SYS_symlinkat, target, base, path);
    pthread_mutex_lock(&mutex);
    if (next_event(SYMLINK) == FAIL)
        return refuse();
    struct record event = {SYMLINK};
    int result = SYS3(SYS_symlinkat, target, base, path);
    done(&event, result, full, target);
    return result;
}
int symlink(const char *target, const char *path) { return symlink_at(target, AT_FDCWD, path); }
int symlinkat(const char *target, int base, const char *path) { return symlink_at(target, base, path); }

/* Attributes */

static int attributes_at(long call, int base, const char *path, long a, long b) {
    char full[PATH_MAX];
    int is_known = path ? resolve(base, path, full) : path_of(base, full);
    if (!folder_bytes || !is_known || !is_inside(full))
        return SYS4(call, base, path, a, b);
    pthread_mutex_lock(&mutex);
    if (next_event(ATTRIBUTES) == FAIL)
        return refuse();
    struct record event = {ATTRIBUTES};
    int result = SYS4(call, base, path, a, b);
    done(&event, result, full, NULL);
    return result;
}
int chmod(const char *path, mode_t mode) { return attributes_at(SYS_fchmodat, AT_FDCWD, path, mode, 0); }
int utimensat(int base, const char *path, const struct timespec times[2], int flags) {
    return attributes_at(SYS_utimensat, base, path, (long)times, flags);
}
int futimens(int descriptor, const struct timespec times[2]) {
    return attributes_at(SYS_utimensat, descriptor, NULL, (long)times, 0);
}
int fchmod(int descriptor, mode_t mode) {
    char path[PATH_MAX];
    if (!folder_bytes || !path_of(descriptor, path) || !is_inside(path))
        return SYS2(SYS_fchmod, descriptor, mode);
    pthread_mutex_lock(&mutex);
    if (next_event(ATTRIBUTES) == FAIL)
        return refuse();
    struct record event = {ATTRIBUTES};
    int result = SYS2(SYS_fchmod, descriptor, mode);
    done(&event, result, path, NULL);
    return result;
}

/* Rust's library makes some calls through this one. */
long syscall(long call, ...) {
    va_list more;
    va_start(more, call);
    long a = va_arg(more, long), b = va_arg(more, long), c = va_arg(more, long), d = va_arg(more, long),
         e = va_arg(more, long), f = va_arg(more, long);
    va_end(more);
    switch (call) {
    case SYS_copy_file_range: return copy_file_range(a, (off_t *)b, c, (off_t *)d, e, f);
    case SYS_renameat2: return rename_at(a, (const char *)b, c, (const char *)d, e);
    case SYS_openat: return open_at(a, (const char *)b, c, d);
    case SYS_unlinkat: return unlinkat(a, (const char *)b, c);
    default: return sys(call, a, b, c, d, e, f);
    }
}

/* Control */

/* Begin to count. `descriptor` takes the record of the events; -1 for none. */
void fault_arm(const char *below, long at, int what, int error, unsigned operations, int descriptor) {
    pthread_mutex_init(&mutex, NULL); /* a thread of the process that was forked may have held it */
    snprintf(folder, sizeof folder, "%s", below);
    number = 0, chosen = at, action = what, error_number = error, lasting = operations, log_descriptor = descriptor;
    folder_bytes = strlen(folder);
}

/* Stop; returns how many events there were. */
long fault_disarm(void) {
    folder_bytes = 0;
    return number;
}

/* Put a mark between the events that are recorded. */
void fault_mark(long value) {
    if (!folder_bytes)
        return;
    pthread_mutex_lock(&mutex);
    struct record event = {MARK, .length = value};
    done(&event, 0, "", NULL);
}

__attribute__((constructor)) static void arm_from_environment(void) {
    const char *below = getenv("FAULT_FOLDER"), *at = getenv("FAULT_AT"), *what = getenv("FAULT_ACTION");
    const char *error = getenv("FAULT_ERROR"), *operations = getenv("FAULT_LASTING");
    if (below && at)
        fault_arm(below, atol(at), what ? atoi(what) : KILL, error ? atoi(error) : EIO,
                  operations ? strtoul(operations, NULL, 0) : 0, -1);
}
