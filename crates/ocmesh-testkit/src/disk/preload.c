/* A disk that fails as told, for tests on Linux: a library that the dynamic linker puts before libc (LD_PRELOAD).
 *
 * It watches the files below OCMESH_DISK_DIR. OCMESH_DISK_CONTROL names a file of one page, shared with the test, that says which calls
 * fail and counts them. OCMESH_DISK_RECORD, when set, names a file that gets every change of the watched files in the order in which
 * they happened, so that the test can build the disk as a power cut at any moment might leave it; what is written to the file
 * OCMESH_DISK_ACKS is noted in the same order. Writes through mmap are not seen: of the files we watch only SQLite's -shm has them,
 * which is rebuilt after a crash.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { WRITE, SYNC, READ, OPEN, TRUNCATE, NAME, KINDS = 8 };
enum fault { NONE, NO_SPACE, IO_ERROR, HALF, END_OF_FILE, KILLED };

/* The page shared with the test; `disk/control.rs` knows the same places. */
struct control {
    _Atomic uint64_t attached; /* processes that loaded this */
    _Atomic uint64_t calls;    /* calls of the chosen kinds so far */
    _Atomic uint64_t from;     /* the first call that fails, from 1; 0: none */
    _Atomic uint64_t count;    /* how many fail from there on */
    _Atomic uint64_t fault;    /* how */
    _Atomic uint64_t kinds;    /* which kinds are counted: one bit each */
    _Atomic uint64_t injected; /* calls that were made to fail */
    _Atomic uint64_t lazy;     /* not 0: good syncs are not passed on, which is faster; the record notes them all the same */
    _Atomic uint64_t seen[KINDS];
};

static struct control nowhere;
static struct control *control = &nowhere;
static char root[4096], acks[4096];
static size_t root_len;
static int record = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);
static int (*real_link)(const char *, const char *);
static int (*real_linkat)(int, const char *, int, const char *, int);
static int (*real_mkdir)(const char *, mode_t);

static void *must(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) {
        fprintf(stderr, "disk layer: no %s\n", name);
        abort();
    }
    return found;
}

__attribute__((constructor)) static void start(void) {
    real_open = must("open64");
    real_openat = must("openat64");
    real_read = must("read");
    real_pread = must("pread64");
    real_write = must("write");
    real_pwrite = must("pwrite64");
    real_writev = must("writev");
    real_ftruncate = must("ftruncate64");
    real_fsync = must("fsync");
    real_fdatasync = must("fdatasync");
    real_rename = must("rename");
    real_unlink = must("unlink");
    real_link = must("link");
    real_linkat = must("linkat");
    real_mkdir = must("mkdir");
    const char *dir = getenv("OCMESH_DISK_DIR"), *page = getenv("OCMESH_DISK_CONTROL"), *log = getenv("OCMESH_DISK_RECORD");
    if (!dir || !page || !realpath(dir, root)) return;
    int fd = real_open(page, O_RDWR | O_CLOEXEC);
    void *at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        perror("disk layer: control page");
        abort();
    }
    close(fd);
    control = at;
    if (getenv("OCMESH_DISK_ACKS") && !realpath(getenv("OCMESH_DISK_ACKS"), acks)) acks[0] = 0;
    if (log && (record = real_open(log, O_WRONLY | O_APPEND | O_CLOEXEC)) < 0) {
        perror("disk layer: record");
        abort();
    }
    root_len = strlen(root);
    atomic_fetch_add(&control->attached, 1);
}

static const char *below(const char *path) {
    return root_len && strncmp(path, root, root_len) == 0 && path[root_len] == '/' ? path + root_len + 1 : NULL;
}

/* The path of a descriptor; NULL for what has none (sockets, pipes). */
static const char *path_of(int fd, char *buffer, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = root_len ? readlink(link, buffer, size - 1) : -1;
    if (length <= 0) return NULL;
    buffer[length] = 0;
    return buffer[0] == '/' ? buffer : NULL;
}

static const char *watched(int fd, char *buffer, size_t size) {
    const char *path = path_of(fd, buffer, size);
    if (!path) return NULL;
    return strcmp(path, root) == 0 ? "" : below(path);
}

/* A path argument as one below the watched directory, or NULL. Our programs open by absolute path. */
static const char *named(const char *path, char *buffer) {
    if (!root_len || path[0] != '/') return NULL;
    char parent[4096];
    const char *slash = strrchr(path, '/');
    size_t length = (size_t)(slash - path);
    if (length == 0 || length >= sizeof parent) return NULL;
    memcpy(parent, path, length);
    parent[length] = 0;
    if (!realpath(parent, buffer)) return NULL;
    size_t used = strlen(buffer);
    if (used + strlen(slash) + 1 >= 4096) return NULL;
    strcpy(buffer + used, slash);
    return below(buffer);
}

static enum fault strike(enum kind kind) {
    atomic_fetch_add(&control->seen[kind], 1);
    if (!(atomic_load(&control->kinds) & (1u << kind))) return NONE;
    uint64_t number = atomic_fetch_add(&control->calls, 1) + 1, from = atomic_load(&control->from);
    if (!from || number < from || number - from >= atomic_load(&control->count)) return NONE;
    uint64_t before = atomic_fetch_add(&control->injected, 1);
    enum fault fault = (enum fault)atomic_load(&control->fault);
    if (fault == KILLED) _exit(137);
    /* A disk that fills up takes a part first, and nothing after that. */
    return fault == HALF && before > 0 ? NO_SPACE : fault;
}

static int fails(enum fault fault) {
    errno = fault == IO_ERROR ? EIO : ENOSPC;
    return -1;
}

struct head {
    uint8_t what, pad[3];
    uint32_t first, second;
    uint32_t more;
    uint64_t inode, offset, length;
};

static void put(const void *bytes, size_t length) {
    const char *at = bytes;
    while (length > 0) {
        ssize_t written = real_write(record, at, length);
        if (written <= 0) abort();
        at += written;
        length -= (size_t)written;
    }
}

static void note(char what, const char *first, const char *second, uint64_t inode, uint64_t offset, const void *data, uint64_t length) {
    if (record < 0) return;
    struct head head = {.what = (uint8_t)what, .inode = inode, .offset = offset, .length = length};
    head.first = first ? (uint32_t)strlen(first) : 0;
    head.second = second ? (uint32_t)strlen(second) : 0;
    head.more = data ? (uint32_t)length : 0;
    put(&head, sizeof head);
    put(first, head.first);
    put(second, head.second);
    put(data, head.more);
}

static uint64_t inode_of(int fd) {
    struct stat facts;
    return fstat(fd, &facts) == 0 ? facts.st_ino : 0;
}

/* Where the next write() goes. */
static off_t place(int fd) {
    if (fcntl(fd, F_GETFL) & O_APPEND) return lseek(fd, 0, SEEK_END);
    return lseek(fd, 0, SEEK_CUR);
}

static ssize_t changed(int fd, const void *bytes, size_t length, off_t at, int seeks) {
    char buffer[4096];
    int error = errno;
    const char *path = path_of(fd, buffer, sizeof buffer);
    const char *file = path ? below(path) : NULL;
    errno = error;
    if (!file) {
        ssize_t done = seeks ? real_write(fd, bytes, length) : real_pwrite(fd, bytes, length, at);
        if (done > 0 && path && acks[0] && strcmp(path, acks) == 0) {
            error = errno;
            pthread_mutex_lock(&lock);
            note('A', NULL, NULL, 0, 0, bytes, (uint64_t)done);
            pthread_mutex_unlock(&lock);
            errno = error;
        }
        return done;
    }
    enum fault fault = strike(WRITE);
    if (fault == NO_SPACE || fault == IO_ERROR) return fails(fault);
    if (fault == HALF && length > 1) length /= 2;
    pthread_mutex_lock(&lock);
    if (seeks) at = place(fd);
    ssize_t done = seeks ? real_write(fd, bytes, length) : real_pwrite(fd, bytes, length, at);
    error = errno;
    if (done > 0) note('W', file, NULL, inode_of(fd), (uint64_t)at, bytes, (uint64_t)done);
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

ssize_t write(int fd, const void *bytes, size_t length) { return changed(fd, bytes, length, 0, 1); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return changed(fd, bytes, length, at, 0); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t at) { return changed(fd, bytes, length, at, 0); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
    char buffer[4096];
    if (!watched(fd, buffer, sizeof buffer)) return real_writev(fd, parts, count);
    /* One part is a short write, which callers must bear anyhow. */
    for (int i = 0; i < count; i++)
        if (parts[i].iov_len > 0) return changed(fd, parts[i].iov_base, parts[i].iov_len, 0, 1);
    return 0;
}

static ssize_t taken(int fd, void *bytes, size_t length, off_t at, int seeks) {
    char buffer[4096];
    int error = errno;
    const char *file = watched(fd, buffer, sizeof buffer);
    errno = error;
    enum fault fault = file ? strike(READ) : NONE;
    if (fault == END_OF_FILE) return 0;
    if (fault == HALF && length > 1) length /= 2;
    else if (fault != NONE) return fails(IO_ERROR);
    return seeks ? real_read(fd, bytes, length) : real_pread(fd, bytes, length, at);
}

ssize_t read(int fd, void *bytes, size_t length) { return taken(fd, bytes, length, 0, 1); }
ssize_t pread(int fd, void *bytes, size_t length, off_t at) { return taken(fd, bytes, length, at, 0); }
ssize_t pread64(int fd, void *bytes, size_t length, off_t at) { return taken(fd, bytes, length, at, 0); }

static int cut(int fd, off_t length) {
    char buffer[4096];
    const char *file = watched(fd, buffer, sizeof buffer);
    enum fault fault = file ? strike(TRUNCATE) : NONE;
    if (fault != NONE) return fails(fault);
    pthread_mutex_lock(&lock);
    int done = real_ftruncate(fd, length), error = errno;
    if (file && done == 0) note('T', file, NULL, inode_of(fd), (uint64_t)length, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

int ftruncate(int fd, off_t length) { return cut(fd, length); }
int ftruncate64(int fd, off_t length) { return cut(fd, length); }

static int synced(int fd, int (*real)(int)) {
    char buffer[4096];
    const char *file = watched(fd, buffer, sizeof buffer);
    if (!file) return real(fd);
    struct stat facts;
    int is_dir = fstat(fd, &facts) == 0 && S_ISDIR(facts.st_mode);
    enum fault fault = strike(SYNC);
    pthread_mutex_lock(&lock);
    int done = fault != NONE ? -1 : atomic_load(&control->lazy) ? 0 : real(fd), error = errno;
    if (is_dir && done == 0) note('D', file, NULL, 0, 0, NULL, 0);
    if (!is_dir) note(done == 0 ? 'S' : 'F', file, NULL, facts.st_ino, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    if (fault != NONE) return fails(fault);
    errno = error;
    return done;
}

int fsync(int fd) { return synced(fd, real_fsync); }
int fdatasync(int fd) { return synced(fd, real_fdatasync); }

static int opened(int at, const char *path, int flags, mode_t mode) {
    char buffer[4096];
    const char *file = named(path, buffer);
    if (!file) return at == AT_FDCWD ? real_open(path, flags, mode) : real_openat(at, path, flags, mode);
    /* Only what may make or change a file: a system that fills up opens all the rest. */
    if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT)) {
        enum fault fault = strike(OPEN);
        if (fault != NONE) return fails(fault);
    }
    pthread_mutex_lock(&lock);
    struct stat facts;
    int was_there = lstat(path, &facts) == 0;
    int fd = real_open(path, flags, mode), error = errno;
    if (fd >= 0 && (flags & O_CREAT) && !was_there) note('C', file, NULL, inode_of(fd), 0, NULL, 0);
    if (fd >= 0 && (flags & O_TRUNC) && was_there) note('T', file, NULL, inode_of(fd), 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return fd;
}

#define MODE(flags, last)                                                                                                                  \
    mode_t mode = 0;                                                                                                                       \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                                                 \
        va_list more;                                                                                                                      \
        va_start(more, last);                                                                                                              \
        mode = (mode_t)va_arg(more, int);                                                                                                  \
        va_end(more);                                                                                                                      \
    }

int open(const char *path, int flags, ...) { MODE(flags, flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags, flags) return opened(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags, flags) return opened(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags, flags) return opened(at, path, flags, mode); }

int rename(const char *from, const char *to) {
    char one[4096], two[4096];
    const char *old = named(from, one), *new = named(to, two);
    enum fault fault = old || new ? strike(NAME) : NONE;
    if (fault != NONE) return fails(fault);
    pthread_mutex_lock(&lock);
    int done = real_rename(from, to), error = errno;
    if (old && new && done == 0) note('R', old, new, 0, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

int unlink(const char *path) {
    char one[4096];
    const char *file = named(path, one);
    pthread_mutex_lock(&lock);
    int done = real_unlink(path), error = errno;
    if (file && done == 0) note('U', file, NULL, 0, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

static int linked(const char *from, const char *to, int (*real)(const char *, const char *)) {
    char one[4096], two[4096];
    const char *old = named(from, one), *new = named(to, two);
    enum fault fault = new ? strike(NAME) : NONE;
    if (fault != NONE) return fails(fault);
    pthread_mutex_lock(&lock);
    int done = real(from, to), error = errno;
    if (old && new && done == 0) note('L', old, new, 0, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

int link(const char *from, const char *to) { return linked(from, to, real_link); }

int linkat(int old_at, const char *from, int new_at, const char *to, int flags) {
    if (from[0] != '/' || to[0] != '/') return real_linkat(old_at, from, new_at, to, flags);
    return linked(from, to, real_link);
}

int mkdir(const char *path, mode_t mode) {
    char one[4096];
    const char *file = named(path, one);
    enum fault fault = file ? strike(NAME) : NONE;
    if (fault != NONE) return fails(fault);
    pthread_mutex_lock(&lock);
    int done = real_mkdir(path, mode), error = errno;
    if (file && done == 0) note('M', file, NULL, 0, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}
