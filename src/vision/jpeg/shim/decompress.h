/* Decodes a window of a JPEG picture to RGB. One object per thread; `open`, `start` and `read` follow each other, and
 * the bytes given to `open` must stay where they are until `read` returns. A new `open` may follow at any time. */

#ifndef TRACKFLOW_JPEG_DECOMPRESS_H
#define TRACKFLOW_JPEG_DECOMPRESS_H

#include "errors.h"

typedef struct tf_jpeg_decompressor tf_jpeg_decompressor;

typedef struct {
    uint32_t width, height;
    uint32_t components;         /* 1: grey, 3: colour */
    uint32_t mcu_width;          /* pixels of a minimum coded unit */
    uint32_t mcu_height;
    uint32_t restart_interval;   /* minimum coded units between restart markers, 0: none */
    uint32_t progressive;        /* 0 or 1 */
} tf_jpeg_header;

/* A rectangle of pixels. */
typedef struct {
    uint32_t x, y, width, height;
} tf_jpeg_area;

/* NULL when there is no memory. */
tf_jpeg_decompressor *tf_jpeg_decompressor_new(void);
void tf_jpeg_decompressor_free(tf_jpeg_decompressor *self);

/* Reads the header. Grey and three-component pictures of 8 bits are supported. */
int tf_jpeg_open(tf_jpeg_decompressor *self, const uint8_t *bytes, size_t length, tf_jpeg_header *header,
                 tf_jpeg_report *report);

/* Goes to the first row of `area` of the picture at 1/`reduction` (1, 2, 4 or 8) of its size, rounded up; other sizes
 * than the whole come from fewer DCT coefficients. `area` must lie inside and not be empty. The decoder works in whole
 * columns of coded units and needs some pixels around those that it gets right, so `area` comes back wider: these are
 * the columns that `read` gives. Those that were asked for equal those of a full decode in every byte. */
int tf_jpeg_start(tf_jpeg_decompressor *self, uint32_t reduction, tf_jpeg_area *area, tf_jpeg_report *report);

/* Writes the rows of the area, RGB, without gaps: width * height * 3 bytes, at most `capacity`. */
int tf_jpeg_read(tf_jpeg_decompressor *self, uint8_t *rgb, size_t capacity, tf_jpeg_report *report);

#endif
