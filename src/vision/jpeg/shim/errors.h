/* libjpeg reports errors through callbacks that must not return. Here they jump back into the C function that was
 * called from Rust, so that no jump ever crosses a Rust frame. */

#ifndef TRACKFLOW_JPEG_ERRORS_H
#define TRACKFLOW_JPEG_ERRORS_H

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jpeglib.h>

/* The classes of outcomes; `ffi.rs` has the same numbers. */
enum {
    TF_JPEG_DONE = 0,
    TF_JPEG_CORRUPT = 1,     /* the bytes contradict the format */
    TF_JPEG_TRUNCATED = 2,   /* the bytes end before the picture does */
    TF_JPEG_UNSUPPORTED = 3, /* a valid file of a sort that is not decoded */
    TF_JPEG_MEMORY = 4,      /* no memory */
    TF_JPEG_MISUSE = 5       /* an argument or a state that the caller must not produce */
};

/* What a call has to say; `ffi.rs` has the same layout. */
typedef struct {
    int32_t code;
    uint32_t warnings;              /* peculiarities that leave the pixels as they should be */
    char message[JMSG_LENGTH_MAX];  /* of the error, or of the first warning; ends with a zero byte */
} tf_jpeg_report;

/* The error manager of one libjpeg object. */
typedef struct {
    struct jpeg_error_mgr base; /* first, as libjpeg hands out a pointer to it */
    jmp_buf escape;
    tf_jpeg_report *report;
} tf_jpeg_errors;

/* Prepares `errors`; what it gives belongs into the `err` field of a libjpeg object. */
struct jpeg_error_mgr *tf_jpeg_errors_init(tf_jpeg_errors *errors);

/* To be called first in every function that Rust calls; `setjmp(errors->escape)` follows. */
void tf_jpeg_errors_begin(tf_jpeg_errors *errors, tf_jpeg_report *report);

/* Leaves the function with an error of the shim's own. */
void tf_jpeg_errors_raise(tf_jpeg_errors *errors, int code, const char *message);

#endif
