/* For LD_PRELOAD: calls that read files fail for as long as the file that $FAILING_READS names is there. Its one line says
 * which call, with what errno, for paths with which words in them:
 *
 *     read 5 /train/
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The errno with which `call` on `path` is to fail; 0: it is not. */
static int failure(const char *call, const char *path) {
    const char *name = getenv("FAILING_READS");
    if (name == NULL || path == NULL) return 0;
    int file = (int)syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    char text[256];
    long length = syscall(SYS_read, file, text, sizeof text - 1);
    syscall(SYS_close, file);
    if (length <= 0) return 0;
    text[length] = 0;
    char which[16], words[200];
    int code;
    if (sscanf(text, "%15s %d %199s", which, &code, words) != 3) return 0;
    return strcmp(which, call) == 0 && strstr(path, words) != NULL ? code : 0;
}

static int failure_of(const char *call, int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return failure(call, path);
}

#define OPENING(NAME, ...)                                                                     \
    int NAME(__VA_ARGS__, int flags, ...) {                                                    \
        mode_t mode = 0;                                                                       \
        if (flags & (O_CREAT | __O_TMPFILE)) {                                                 \
            va_list rest;                                                                      \
            va_start(rest, flags);                                                             \
            mode = va_arg(rest, mode_t);                                                       \
            va_end(rest);                                                                      \
        }                                                                                      \
        int code = failure("open", path);                                                      \
        if (code != 0) {                                                                       \
            errno = code;                                                                      \
            return -1;                                                                         \
        }                                                                                      \
        return (int)syscall(SYS_openat, FOLDER, path, flags, mode);                            \
    }
#define FOLDER AT_FDCWD
OPENING(open, const char *path)
OPENING(open64, const char *path)
#undef FOLDER
#define FOLDER folder
OPENING(openat, int folder, const char *path)
OPENING(openat64, int folder, const char *path)

#define FAIL_READING(FILE)                    \
    int code = failure_of("read", FILE);      \
    if (code != 0) {                          \
        errno = code;                         \
        return -1;                            \
    }

ssize_t read(int file, void *buffer, size_t count) {
    static ssize_t (*next)(int, void *, size_t);
    if (next == NULL) next = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
    FAIL_READING(file)
    return next(file, buffer, count);
}

ssize_t pread64(int file, void *buffer, size_t count, off64_t from) {
    static ssize_t (*next)(int, void *, size_t, off64_t);
    if (next == NULL) next = (ssize_t(*)(int, void *, size_t, off64_t))dlsym(RTLD_NEXT, "pread64");
    FAIL_READING(file)
    return next(file, buffer, count, from);
}
